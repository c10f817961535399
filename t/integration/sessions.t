# Sessions after the login: refresh tokens that are good once, give the same successor to whoever lost an answer, and
# end the session of whoever comes with an old copy, also when many come at once; looking at sessions and ending them;
# changing the password; and that what has ended is refused from the next request on, in both pools, under load.
use v5.36;
use IO::Handle;
use Pets::Env qw(slurp spew test_dir wait_until);
use Pets::FastCGI;
use Pets::Service;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new(config => { auth => { pool => { workers => 2 }, session => { refresh_grace_s => 60 } } })->start;
my $client  = $service->client;
my $root    = $service->database->dbh;
my @places  = (['api', '/v1/pets'], ['auth', '/v1/me']);

sub refresh ($token) { return $client->post('/v1/auth/refresh', { refresh_token => $token }) }

sub everywhere ($who, $expect, $name) {
    for my $place (@places) {
        my $reply = $who->get($place->[1]);
        is $reply->status . ($reply->code ? ' ' . $reply->code : ''), $expect, "$place->[0]: $name" or diag $reply->summary;
    }
    return;
}

sub events ($person, $action) {
    return $root->selectrow_array('select count(*) from pets.audit_event where actor_id = ? and action = ?', undef, $person->id, $action);
}

# Makes the last refresh of a session look older.
sub let_pass ($session, $seconds) {
    $root->do('update pets.session set refreshed_at = refreshed_at - make_interval(secs => ?) where id = ?', undef, $seconds, $session);
    return;
}

subtest 'refreshing' => sub {
    my $ann   = $service->user;
    my $first = $ann->refresh_token;
    my $reply = refresh($first);
    is $reply->status, 200, 'status 200' or return diag $reply->summary;
    is_deeply [sort keys $reply->json->%*], [sort qw(access_token token_type expires_in refresh_token refresh_expires_in session_id)], 'the fields of a login';
    is $reply->json->{session_id}, $ann->session_id, 'the same session';
    is $reply->header('cache-control'), 'no-store', 'nobody stores it';
    my $second = $reply->json->{refresh_token};
    isnt $second, $first, 'another refresh token';
    everywhere($client->with_token($reply->json->{access_token}), '200', 'the new access token is good');
    everywhere($ann, '200', 'so is the old one, until it expires');
    is refresh($second)->status, 200, 'its successor is good, too';
    is events($ann, 'session_renewed'), 2, 'each is in the record';

    for my $case (
        ['no refresh token', 'x'],
        ['an access token', $ann->token],
        ['one with another last character', $second =~ s/(.)\z/$1 eq 'A' ? 'Q' : 'A'/er],
        ['one of a generation to come', do { my $t = refresh($second); 'pr_' . 'A' x 70 }],
        ['too long', "${second}A"],
        ['nothing', ''],
    ) {
        my $bad = refresh($case->[1]);
        like $bad->status . ' ' . $bad->code, qr/\A(?:401 session_ended|422 validation_failed)\z/, $case->[0];
        ok index($bad->body, $case->[1]) < 0, "$case->[0]: is not repeated" if length $case->[1] > 1;
    }
    everywhere($ann, '200', 'none of these has ended the session');
};

subtest 'a lost answer' => sub {
    my $ann   = $service->user;
    my $token = $ann->refresh_token;
    my @next  = map { refresh($token)->json->{refresh_token} } 1 .. 3;
    is scalar(grep { defined && $_ eq $next[0] } @next), 3, 'the same token gives the same successor';
    is $root->selectrow_array('select generation from pets.session where id = ?', undef, $ann->session_id), 1, 'and counts once';
    is refresh($next[0])->status, 200, 'which is good';
    my ($hash, $text) = $root->selectrow_array('select encode(refresh_hash, \'hex\'), s::text from pets.session s where id = ?', undef, $ann->session_id);
    is length $hash, 64, 'a hash is stored';
    ok index($text, substr $token, 3, 20) < 0, 'and no token';
};

subtest 'a copy that is used later' => sub {
    for my $case (['the one before, after its time', 1], ['an older one, at once', 2]) {
        my ($name, $refreshes) = @$case;
        my $ann   = $service->user;
        my $token = my $last = $ann->refresh_token;
        $last = refresh($last)->json->{refresh_token} for 1 .. $refreshes;
        let_pass($ann->session_id, 61) if $refreshes == 1;
        my $mark  = $service->auth->log_mark;
        my $reply = refresh($token);
        is $reply->status . ' ' . $reply->code, '401 session_ended', "$name: refused";
        everywhere($ann, '401 session_ended', "$name: the session is over");
        is refresh($last)->code, 'session_ended', "$name: also for who has the newest token";
        is events($ann, 'authn_token_reuse'), 1, "$name: one event";
        my $line = $service->auth->log_wait(sub ($event) { ($event->{event} // '') eq 'authn_token_reuse' }, 30, $mark);
        is $line->{session_id}, $ann->session_id, "$name: and a line in the log";
        refresh($token);
        is events($ann, 'authn_token_reuse'), 1, "$name: only one";
    }
};

# Sends the same request from many connections of their own at the same time; how often each outcome came.
sub at_once ($count, $body) {
    my @door = map { $service->auth->connect } 1 .. $count;
    $_->raw(Pets::FastCGI->request_bytes(method => 'POST', uri => '/v1/auth/refresh', body => $body)) for @door;
    return map { $_->response(1) } @door;
}

subtest 'many at once' => sub {
    my $ann     = $service->user;
    my @replies = at_once(32, { refresh_token => $ann->refresh_token });
    my %status;
    $status{ $_->{status} }++ for @replies;
    is_deeply \%status, { 200 => 32 }, 'all 32 get an answer';
    my %token = map { $_->{json}{refresh_token} => 1 } @replies;
    is scalar keys %token, 1, 'with the same successor';
    is $root->selectrow_array('select generation from pets.session where id = ?', undef, $ann->session_id), 1, 'one of them has rotated it';
    my @verdicts = map { $_->[0] } @{ $root->selectall_arrayref(q{select detail ->> 'verdict' from pets.audit_event where actor_id = ? and action = 'session_renewed'}, undef, $ann->id) };
    is_deeply [scalar(grep { $_ eq 'rotated' } @verdicts), scalar(grep { $_ eq 'repeated' } @verdicts)], [1, 31], 'the record says the same';

    let_pass($ann->session_id, 61);
    my @late = at_once(16, { refresh_token => $ann->refresh_token });
    is scalar(grep { $_->{status} == 401 } @late), 16, '16 copies later: refused';
    is events($ann, 'authn_token_reuse'), 1, 'one of them has ended the session';
};

subtest 'lifetimes' => sub {
    my $ann = $service->user;
    my $set = sub ($what) { $root->do("update pets.session set $what where id = ?", undef, $ann->session_id) };
    $set->(q{created_at = now() - interval '80 d', ends_at = now() + interval '10 d', expires_at = now() + interval '1 h'});
    my $reply = refresh($ann->refresh_token);
    cmp_ok $reply->json->{refresh_expires_in}, '<=', 10 * 86400, 'never beyond its absolute end';
    cmp_ok $reply->json->{refresh_expires_in}, '>', 10 * 86400 - 60, 'but up to it';
    $set->(q{expires_at = now() - interval '1 s'});
    is refresh($reply->json->{refresh_token})->code, 'session_ended', 'not used for too long: over';
    everywhere($ann, '401 session_ended', 'for access tokens, too');
    is events($ann, 'authn_token_reuse'), 0, 'that is no reuse';

    my $ben = $service->user;
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $ben->id);
    is refresh($ben->refresh_token)->code, 'session_ended', 'a disabled account refreshes nothing';
};

subtest 'the key of refresh tokens is changed' => sub {
    my $ann = $service->user;
    my $auth = $service->auth;
    unlink $service->refresh_key_file;
    Pets::Service::petsctl('pepper', 'new', $service->refresh_key_file);
    my $generation = $auth->status->{generation};
    $auth->signal('HUP');
    wait_until { $auth->status->{generation} == $generation + 1 } 60, 'a reload';
    # Workers with the former key serve what nginx has kept open, 10 s at most.
    wait_until { my @workers = $auth->workers; @workers == 3 * (() = $auth->pools) } 60, 'two workers and the ops worker to be all there is';
    my $reply = refresh($ann->refresh_token);
    is $reply->status, 200, 'a token from before is still good';
    is refresh($ann->refresh_token)->json->{refresh_token}, $reply->json->{refresh_token}, 'a lost answer is answered again';
    is refresh($reply->json->{refresh_token})->status, 200, 'and so is the new one';
    is refresh($ann->refresh_token)->status, 401, 'an old one of the old key is not';
};

subtest 'looking at sessions' => sub {
    my $ann    = $service->user;
    my $phone  = $client->post('/v1/auth/login', { email => $ann->email, password => $ann->password }, headers => { 'user-agent' => "Ann's phone" })->json;
    my $other  = $service->user;
    my $page   = $ann->get('/v1/me/sessions')->json;
    is_deeply [map { $_->{id} } $page->{items}->@*], [$phone->{session_id}, $ann->session_id], 'her own, newest first';
    is_deeply [sort keys $page->{items}[0]->%*], [sort qw(id created_at last_used_at expires_at ends_at address user_agent mfa current)], 'the fields';
    is_deeply [map { $_->{current} ? 1 : 0 } $page->{items}->@*], [0, 1], 'this one is marked';
    is $page->{items}[0]{user_agent}, "Ann's phone", 'the device';
    is $page->{items}[0]{address}, '127.0.0.1', 'the address';
    my $first = $ann->get('/v1/me/sessions?limit=1');
    is scalar $first->json->{items}->@*, 1, 'a page of one';
    like $first->header('link'), qr{\A</v1/me/sessions\?limit=1&cursor=[\w-]+>; rel="next"\z}, 'with a link to the next';
    my $next = $ann->get('/v1/me/sessions?limit=1&cursor=' . $first->json->{page}{next});
    is $next->json->{items}[0]{id}, $ann->session_id, 'which is there';
    is $ann->get('/v1/me/sessions?cursor=x')->code, 'invalid_cursor', 'a cursor that is none';

    is $other->delete("/v1/me/sessions/$phone->{session_id}")->status, 404, "another's session is not found";
    is $ann->delete("/v1/me/sessions/$phone->{session_id}")->status, 204, 'one of hers is ended';
    everywhere($client->with_token($phone->{access_token}), '401 session_ended', 'at once');
    is refresh($phone->{refresh_token})->code, 'session_ended', 'its refresh token is dead';
    is $ann->delete("/v1/me/sessions/$phone->{session_id}")->status, 404, 'it is not there any more';
    is scalar $ann->get('/v1/me/sessions')->json->{items}->@*, 1, 'nor in the list';
};

subtest 'logout of this, others, all' => sub {
    my $ann = $service->user;
    my @more = map { $client->login($ann->email, $ann->password) } 1 .. 3;
    is $ann->post('/v1/auth/logout', { scope => 'some' })->status, 422, 'an unknown scope';
    is $ann->post('/v1/auth/logout', { scope => 'others' })->status, 204, 'others';
    everywhere($ann, '200', 'this one goes on');
    everywhere($_, '401 session_ended', 'another is over') for @more;
    is events($ann, 'session_expired'), 3, 'three events';
    @more = map { $client->login($ann->email, $ann->password) } 1 .. 2;
    is $more[0]->post('/v1/auth/logout', { scope => 'this' })->status, 204, 'this';
    everywhere($more[0], '401 session_ended', 'it is over');
    everywhere($more[1], '200', 'the other one is not');
    is $more[1]->post('/v1/auth/logout', { scope => 'all' })->status, 204, 'all';
    everywhere($_, '401 session_ended', 'over') for $ann, @more;
};

subtest 'changing the password' => sub {
    my $ann   = $service->user;
    my $other = $client->login($ann->email, $ann->password);
    my $new   = 'another password of Ann';
    my $wrong = $ann->put('/v1/me/password', { current_password => 'not her password', new_password => $new });
    is $wrong->status, 422, 'the current one is needed';
    is_deeply [$wrong->pointers], ['/current_password'], 'and named';
    is events($ann, 'authn_password_change_fail'), 1, 'the attempt is recorded';
    is_deeply [$ann->put('/v1/me/password', { current_password => $ann->password, new_password => 'short' })->pointers], ['/new_password'], 'the new one has rules';
    everywhere($other, '200', 'nothing has happened');
    is $ann->put('/v1/me/password', { current_password => $ann->password, new_password => $new })->status, 204, 'done';
    everywhere($ann, '200', 'this session goes on');
    everywhere($other, '401 session_ended', 'the other one is over');
    is refresh($ann->refresh_token)->status, 200, 'and can be refreshed';
    is $client->post('/v1/auth/login', { email => $ann->email, password => $ann->password })->status, 401, 'the old password is dead';
    is $client->post('/v1/auth/login', { email => $ann->email, password => $new })->status, 200, 'the new one is good';
    is events($ann, 'authn_password_change'), 1, 'one event';

    # Of two who change it at the same time from the same password, one wins.
    my @door = map { $service->auth->connect } 1 .. 2;
    $door[$_]->raw(Pets::FastCGI->request_bytes(method => 'PUT', uri => '/v1/me/password', token => $ann->token,
        body => { current_password => $new, new_password => "the new password number $_" })) for 0, 1;
    my @status = sort map { $_->response(1)->{status} } @door;
    is_deeply \@status, [204, 422], 'two at once: one wins';
};

# A client that asks as fast as it can, over a connection of its own, until it is told to stop, and notes what it got
# and when it asked.
sub hammer ($pool, $uri, $token) {
    state $number = 0;
    my $file = test_dir() . '/hammer' . ++$number;
    my $pid  = fork // die "fork: $!";
    return { pid => $pid, file => $file } if $pid;
    open my $out, '>', $file or POSIX::_exit(1);
    $out->autoflush(1);
    my $door = $pool->connect;
    my $end  = time + 120;
    while ((my $now = time) < $end && !-e "$file.stop") {
        printf $out "%.6f %d\n", $now, $door->request(uri => $uri, token => $token)->{status};
    }
    POSIX::_exit(0);
}

# How many requests of such a client that were made after a time got this status.
sub got ($hammer, $status, $after = 0) {
    my @lines = map { [split] } -e $hammer->{file} ? slurp($hammer->{file}) =~ /^(.*)\n/mg : ();
    return scalar grep { $_->[1] == $status && $_->[0] > $after } @lines;
}

subtest 'what has ended is refused from the next request on, under load' => sub {
    for my $case (
        ['logout',          sub ($ann) { $ann->logout->status == 204 }],
        ['disabling',       sub ($ann) { $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $ann->id) }],
        ['another session', sub ($ann) { $client->login($ann->email, $ann->password)->post('/v1/auth/logout', { scope => 'others' })->status == 204 }],
        ['password change', sub ($ann) { $client->login($ann->email, $ann->password)->put('/v1/me/password', { current_password => $ann->password, new_password => 'another password of hers' })->status == 204 }],
    ) {
        my ($name, $end) = @$case;
        my $ann = $service->user;
        $ann->id;
        my @hammer = map { hammer($service->api, '/v1/pets', $ann->token), hammer($service->auth, '/v1/me', $ann->token) } 1 .. 2;
        wait_until { !grep { got($_, 200) < 10 } @hammer } 60, 'ten answers for each';
        ok $end->($ann), "$name: done";
        my $over = time;
        wait_until { !grep { got($_, 200, $over) + got($_, 401, $over) < 10 } @hammer } 60, 'ten more for each';
        spew("$_->{file}.stop", '') for @hammer;
        my ($before, $accepted, $refused) = (0, 0, 0);
        for my $hammer (@hammer) {
            waitpid $hammer->{pid}, 0;
            for (split /\n/, slurp($hammer->{file})) {
                my ($asked, $status) = split;
                $before++   if $asked < $over && $status == 200;
                $accepted++ if $asked > $over && $status == 200;
                $refused++  if $asked > $over && $status == 401;
            }
        }
        cmp_ok $before, '>=', 40, "$name: $before were accepted before";
        is $accepted, 0, "$name: none of those asked afterwards ($refused were refused)";
        cmp_ok $refused, '>=', 40, "$name: and there were some";
    }
};

$root->disconnect;
done_testing;
