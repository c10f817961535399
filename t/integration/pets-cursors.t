# Cursors: good for whoever got them, in the list they are of, with the same order and filters, and in no other way;
# opaque; and good while their key is changed, step by step, under somebody who turns pages all the time.
use v5.36;
use utf8;
use MIME::Base64 qw(decode_base64url);
use Pets::Env qw(bin run slurp src spew test_dir wait_until);
use Pets::Service;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my $data    = JSON::PP->new->utf8->decode(slurp(src() . '/t/data/pets-list.json'));
my $service = Pets::Service->new(config => { both => { pool => { workers => 2 } } })->start;
my ($ann, $bob, $admin) = ($service->user, $service->user, $service->admin);
$service->pet($ann, name => "Rex the secretive $_", species => $_ % 2 ? 'dog' : 'cat', $_ % 3 ? (born_on => "2001-02-0$_") : (), sex => $_ % 2 ? 'female' : 'unknown', tags => ['a', 'b', 'aq=1:e']) for 1 .. 9;
$service->pet($bob, name => "Rex $_", species => 'dog', tags => ['a']) for 1 .. 3;

sub cursor_of ($who, %query) {
    my $reply = $who->get('/v1/pets', query => { limit => 1, %query });
    return $reply->json->{page}{next} // die 'no cursor: ' . $reply->summary . "\n";
}

# "200", or "400 code".
sub verdict ($reply) { return $reply->status == 200 ? '200' : $reply->status . ' ' . $reply->code }

my $refused = '400 invalid_cursor';

sub try_cursor ($who, $cursor, %query) { return verdict($who->get('/v1/pets', query => { limit => 1, %query, cursor => $cursor })) }

subtest 'it is good with the same order and filters' => sub {
    for my $case ($data->{cursors}->@*) {
        my ($made, $used, $good) = @$case;
        my ($from, $to) = map { my $query = $_; join('&', map { "$_=$query->{$_}" } sort keys %$query) || 'nothing' } $made, $used;
        is try_cursor($ann, cursor_of($ann, %$made), %$used), $good ? '200' : $refused, "made with $from, used with $to";
    }
    my $one = $ann->get('/v1/pets', query => { limit => 2, sort => 'name', species => 'dog' })->json;
    my ($link) = $ann->get('/v1/pets', query => { limit => 2, sort => 'name', species => 'dog' })->header('link') =~ /<([^>]+)>/;
    is_deeply [map { $_->{name} } $one->{items}->@*, $ann->get($link)->json->{items}->@*], [map { "Rex the secretive $_" } 1, 3, 5, 7], 'the link has them';
    my $reordered = $link =~ s/\?(.*)/'?' . join '&', reverse split m{&}, $1/er;
    is_deeply [map { $_->{name} } $ann->get($reordered)->json->{items}->@*], ['Rex the secretive 5', 'Rex the secretive 7'], 'in any order';
};

subtest 'it is good for whoever got it' => sub {
    my $cursor = cursor_of($ann);
    is try_cursor($ann, $cursor), '200', 'for her';
    is try_cursor($bob, $cursor), $refused, 'for nobody else';
    is try_cursor($admin, $cursor), $refused, 'nor an administrator';
    is try_cursor($admin, $cursor, owner_id => $ann->id), $refused, 'who looks at her pets';
    my $his = cursor_of($admin, owner_id => $ann->id);
    is try_cursor($admin, $his, owner_id => $ann->id), '200', 'his own is good';
    is try_cursor($admin, $his, owner_id => $bob->id), $refused, 'for that owner';
    is try_cursor($admin, $his), $refused, 'not for everybody\'s';
    is try_cursor($ann, $his), $refused, 'nor for the owner herself';
    my $again = $service->client->login($ann->email, $ann->password);
    is try_cursor($again, $cursor), '200', 'for another session of hers';
};

subtest 'it is good in the list it is of' => sub {
    my ($first, $second) = map { $_->{id} } $ann->get('/v1/pets', query => { limit => 2 })->json->{items}->@*;
    for my $id ($first, $second) {
        my $reply = $ann->patch("/v1/pets/$id", { notes => 'x' });
        is $reply->status, 200, 'a pet has a history' or diag $reply->summary;
    }
    my $history = $ann->get("/v1/pets/$first/history", query => { limit => 1 })->json->{page}{next};
    my $get     = sub ($who, $path, $cursor) { verdict($who->get($path, query => { limit => 1, cursor => $cursor })) };
    is $get->($ann, "/v1/pets/$first/history", $history), '200', 'a history';
    is $get->($ann, "/v1/pets/$second/history", $history), $refused, 'not another pet\'s';
    is $get->($ann, '/v1/pets', $history), $refused, 'not a list of pets';
    is $get->($ann, "/v1/pets/$first/history", cursor_of($ann)), $refused, 'nor the other way round';
    $service->client->login($ann->email, $ann->password);
    my $sessions = $ann->get('/v1/me/sessions', query => { limit => 1 })->json->{page}{next};
    is $get->($ann, '/v1/me/sessions', $sessions), '200', 'sessions, of the other pool';
    is $get->($ann, '/v1/me/api-keys', $sessions), $refused, 'not another list of it';
    is $get->($ann, '/v1/pets', $sessions), $refused, 'nor the other pool';
    is $get->($ann, '/v1/me/sessions', cursor_of($ann)), $refused, 'nor the other way round';
    my $users = $admin->get('/v1/users', query => { limit => 1, role => 'USER' })->json->{page}{next};
    is verdict($admin->get('/v1/users', query => { role => 'USER', cursor => $users })), '200', 'people';
    is verdict($admin->get('/v1/users', query => { cursor => $users })), $refused, 'with the same filters';
};

subtest 'it is opaque, and cannot be made or changed' => sub {
    my $cursor = cursor_of($ann, sort => 'name');
    like $cursor, qr/\A[\w-]{60,512}\z/, 'base64url';
    is cursor_of($ann, sort => 'name'), $cursor, 'the same page has the same one';
    unlike decode_base64url($cursor), qr/Rex|secretive/i, 'what it holds does not show';
    isnt cursor_of($ann, sort => 'name', species => 'dog'), $cursor, 'and another list another one, at the same pet';
    my @alphabet = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');
    my @wrong;
    for my $at (0 .. length($cursor) - 1) {
        my $changed = $cursor;
        my ($index) = grep { $alphabet[$_] eq substr $cursor, $at, 1 } 0 .. 63;
        substr $changed, $at, 1, $alphabet[$index ^ 32];
        push @wrong, $at if try_cursor($ann, $changed, sort => 'name') ne $refused;
    }
    is "@wrong", '', 'a change of any character is noticed';
    my $other = cursor_of($ann, sort => 'name', limit => 2);
    my @forged = (
        'x', 'u019b0000000070008000000000000000', '019b0000-0000-7000-8000-000000000000', 'A' x 60, '_' x 512, "$cursor=", "%20$cursor",
        substr($cursor, 1), substr($cursor, 0, -1), substr($cursor, 0, -2), substr($cursor, 0, 40), "${cursor}A", "${cursor}AAAA", $cursor . $other,
        substr($cursor, 0, 16) . substr($other, 16), substr($cursor, 0, -22) . substr($other, -22), lc $cursor, scalar reverse $cursor,
    );
    for my $forged (@forged) {
        is verdict($ann->get("/v1/pets?sort=name&limit=1&cursor=$forged")), $refused, length $forged > 30 ? substr($forged, 0, 30) . '...' : $forged;
    }
    for my $odd ('', '%00', "$cursor%00", '_' x 513) {
        my $reply = $ann->get("/v1/pets?sort=name&cursor=$odd");
        is join(' ', verdict($reply), $reply->json->{errors}[0]{parameter}), '400 invalid_parameter cursor', 'what cannot be text of a cursor: ' . substr $odd, 0, 20;
    }
    my $reply = $ann->get('/v1/pets?sort=name&cursor=x&limit=0');
    is $reply->code, 'invalid_parameter', 'another parameter that is wrong comes first';
    $reply = $ann->get("/v1/pets?sort=name&cursor=$cursor&cursor=$cursor");
    is join(' ', verdict($reply), $reply->json->{errors}[0]{parameter}, $reply->json->{errors}[0]{code}), '400 invalid_parameter cursor duplicate', 'twice is once too much';
    is try_cursor($ann, $cursor, sort => 'name'), '200', 'and as it was it is good';
};

# --- another key ----------------------------------------------------------------------------------------

my $stop = test_dir() . '/stop';
my $log  = test_dir() . '/pages';

# Somebody who turns pages until told to stop, and writes down what comes: "good", or what it was.
sub turn_pages () {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open my $out, '>', $log or POSIX::_exit(1);
    $out->autoflush(1);
    my $cursor;
    until (-e $stop) {
        my $reply = eval { $ann->get('/v1/pets', query => { limit => 1, sort => '-name', defined $cursor ? (cursor => $cursor) : () }) };
        print $out !$reply ? "lost: $@" : $reply->status == 200 ? 'good' : $reply->summary =~ tr/\n/ /r, "\n";
        $cursor = $reply && $reply->status == 200 ? $reply->json->{page}{next} : undef;
        sleep 0.005;
    }
    POSIX::_exit(0);
}

sub pages_more ($more = 30) {
    my $count = sub { my $text = slurp($log); scalar(() = $text =~ /\n/g) };
    my $goal  = $count->() + $more;
    wait_until { $count->() >= $goal } 60, 'more pages';
    return;
}

subtest 'another key' => sub {
    my $old = $service->cursor_key_file('api');
    my $new = test_dir() . '/secrets/cursor.api.new';
    Pets::Service::petsctl('secret', 'new', $new);
    my $before = cursor_of($ann);
    $service->api->reload(gone => 1);
    is try_cursor($ann, $before), '200', 'a reload changes nothing';
    my $pid = turn_pages();
    wait_until { -s $log } 60, 'the first page';
    for my $step (
        ['both are known', $old, $new,  '200',    '200'],
        ['the new one makes them', $new, $old,  '200',    '200'],
        ['the old one is gone', $new, undef, $refused, '200'],
    ) {
        my ($what, $current, $previous, $first, $last) = @$step;
        pages_more();
        my $made = cursor_of($ann);
        $service->api->set(http => { cursor_key_file => $current, previous_cursor_key_file => $previous });
        $service->api->reload(gone => 1);
        pages_more();
        is try_cursor($ann, $before), $first, "$what: a cursor of before all this";
        is try_cursor($ann, $made), $last, "$what: one of before this step";
    }
    spew($stop, '');
    waitpid $pid, 0;
    is $?, 0, 'pages were turned';
    my @bad = grep { $_ ne 'good' } split /\n/, slurp($log);
    is "@bad", '', 'and every one was good';
    my ($status, undef, $err) = do { $service->api->set(http => { previous_cursor_key_file => '/nonexistent/key' }); $service->api->check('-t') };
    isnt $status, 0, 'a second key that is not there is refused';
    like $err, qr{/nonexistent/key}, 'and named';
};

done_testing;
