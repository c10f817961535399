# harness: alone
# Secrets change while people work: the key that signs access tokens and the passwords of both database roles. People
# who log in, refresh, read and write all the time verify every answer; not one may be anything but good, and what is
# old is dead afterwards.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run slurp test_dir wait_until);
use Pets::Service;
use Pets::Token;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use constant { PEOPLE => 4, LIFETIME => 10 };

my $service = Pets::Service->new(
    config => {
        both => { pool  => { workers => 2 }, token => { lifetime_s => LIFETIME, leeway_s => 0 } },
        auth => { token => { signing_key_file => test_dir() . '/secrets/private/signing.pem' } },
    }
);
$service->make_secrets;
my $private = test_dir() . '/secrets/private';
my $public  = $service->public_keys_dir;
my ($first) = $service->signing_key_file =~ m{/([\w-]{43})\.pem\z};
symlink "$first.pem", "$private/signing.pem" or die $!;
$service->start_database;
$service->start_pools;
$service->start_nginx;

my @why = ('--reason', 'rotation');

sub petsctl (@arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $service->auth->file, @arguments], timeout => 60);
    $status == 0 or die "petsctl @arguments: $err";
    return $out;
}

# What petsctl refuses, and why.
sub refused ($why, @arguments) {
    my ($status, undef, $err) = run([bin('petsctl'), '-c', $service->auth->file, @arguments], timeout => 60);
    is $status >> 8, 1, "refused: @arguments[0, 1]";
    like $err, $why, '... and why';
    return;
}

# As if all that was noted of the keys were so many seconds older.
sub age ($kid, $seconds) {
    utime time - 3600, time - 3600, "$private/$kid.stopped";
    $service->database->dbh->do('update pets.signing_key set signed_at = signed_at - make_interval(secs => ?) where kid = ?', undef, $seconds, $kid);
    return;
}

sub kid_of ($token) { return (Pets::Token->parts($token))[0]{kid} }

# --- people ---------------------------------------------------------------------------------------------

my $stop = test_dir() . '/stop';

sub file_of ($number) { return test_dir() . "/person-$number" }

# A process that asks and checks, and writes "what verdict kid" for each answer; the verdict is "good" or what it was.
sub person ($number) {
    my $person = $service->user;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $status = eval { live($person, $number); 0 } // do { print STDERR "person $number: $@"; 1 };
    POSIX::_exit($status);
}

sub live ($person, $number) {
    open my $out, '>', file_of($number) or die;
    $out->autoflush(1);
    my $id     = $person->id;
    my ($email, $password) = ($person->email, $person->password);
    my $client = $person->with_token($person->token);
    my $refresh = $person->refresh_token;
    my ($pets, $refreshed, $logged_in) = (0, time, time);
    my $note = sub ($what, $reply, $good) {
        my $verdict = $good ? 'good' : $reply->status . ' ' . ($reply->code // '-') . ' ' . substr $reply->body =~ tr/\n/ /r, 0, 200;
        print $out join("\t", $what, $verdict, $client->token ? kid_of($client->token) : '-', time), "\n";
    };
    until (-e $stop) {
        my $me = $client->get('/v1/me');
        $note->('me', $me, $me->status == 200 && $me->json->{id} eq $id);
        my $made = $client->post('/v1/pets', { name => "Pet $pets", species => 'dog' });
        $note->('create', $made, $made->status == 201 && $made->json->{name} eq "Pet $pets" && $made->json->{owner_id} eq $id);
        $pets++;
        my $list = $client->get('/v1/pets', query => { limit => 2 });
        $note->('list', $list, $list->status == 200 && $list->json->{items}[0]{id} eq ($made->json->{id} // ''));
        if (time > $refreshed + 1) {
            my $reply = $client->post('/v1/auth/refresh', { refresh_token => $refresh }, token => undef);
            my $good  = $reply->status == 200;
            $note->('refresh', $reply, $good);
            ($client, $refresh, $refreshed) = ($client->with_token($reply->json->{access_token}), $reply->json->{refresh_token}, time) if $good;
        }
        if (time > $logged_in + 2) {
            my $reply = $client->post('/v1/auth/login', { email => $email, password => $password }, token => undef);
            $note->('login', $reply, $reply->status == 200);
            $logged_in = time;
        }
        sleep 0.01;
    }
    return;
}

sub answers () {
    my $count = 0;
    $count += () = slurp(file_of($_)) =~ /\n/g for 1 .. PEOPLE;
    return $count;
}

sub go_on ($more = 100) {
    my $goal = answers() + $more;
    wait_until { answers() >= $goal } 60, "$more more answers";
    return;
}

# Which keys the tokens of the last answers of each person are signed with.
sub kids_in_use () {
    my %kid = map { (split /\t/, (split /\n/, slurp(file_of($_)))[-1])[2] => 1 } 1 .. PEOPLE;
    return join ' ', sort keys %kid;
}

my @running = map { person($_) } 1 .. PEOPLE;
wait_until { !grep { !-s file_of($_) } 1 .. PEOPLE } 60, 'the first answers';

# Pools at once. The old generation may serve connections that nginx keeps, and sign, until it has left.
sub reload (@pools) {
    my %event = map { $_ => $service->$_->reload } @pools;
    for my $pool (@pools) {
        wait_until {
            !grep { $_->{generation} < $event{$pool}{generation} } $service->$pool->status(full => 1)->{processes}->@*
        }
        60, "the old workers of $pool to leave";
    }
    return;
}

# --- what changes ---------------------------------------------------------------------------------------

subtest 'the signing key' => sub {
    go_on();
    is kids_in_use(), $first, 'tokens are signed with the first key';
    my $old_token = $service->user->token;
    chomp(my $second = petsctl('key', 'new', @why));
    reload(qw(api auth));
    go_on();
    is kids_in_use(), $first, 'the second one is published, and signs nothing';
    utime time - 400, time - 400, "$public/$second.pub.pem";
    petsctl('key', 'activate', $second, @why);
    go_on();
    age($first, 3600);
    refused(qr/workers still sign with this key: reload the auth pool/, 'key', 'retire', $first, @why);
    is kids_in_use(), $first, 'nobody was told to use it, though its time to take over is long past';
    reload('auth');
    wait_until { kids_in_use() eq $second } 30, 'all to have tokens of the second key';
    pass 'it signs after the reload';
    my $verifies = $service->client->get('/v1/pets', token => $old_token)->status;
    ok $verifies == 200 || $verifies == 401, 'the first one verifies while its tokens last';    # 10 s may have gone by
    # What counts is when the old workers have signed for the last time, not when the new ones were to.
    utime time - 3600, time - 3600, "$private/$first.stopped";
    refused(qr/tokens that it has signed may still be good: \d\d s too early/, 'key', 'retire', $first, @why);
    # Its last token has expired; the minute and the rest that petsctl demands on top are let pass.
    sleep LIFETIME + 1;
    age($first, 61);
    petsctl('key', 'retire', $first, @why);
    reload(qw(auth api));
    go_on();
    is_deeply [map { $_->{kid} } $service->client->get('/.well-known/jwks.json')->json->{keys}->@*], [$second], 'the first one is gone';
};

subtest 'a key that no pool was told of before it signs' => sub {
    chomp(my $third = petsctl('key', 'new', @why));
    petsctl('key', 'activate', $third, '--now', @why);
    reload('auth');    # which alone is told
    wait_until { kids_in_use() eq $third } 30, 'all to have tokens of it';
    go_on();
    cmp_ok $service->api->metrics->{pets_key_lookups_total}, '>=', 1, 'the api pool has looked for it by itself';
};

subtest 'the passwords of the database' => sub {
    my $database = $service->database;
    my @roles    = qw(pets_api pets_auth);
    my %old      = map { $_ => $database->password($_) } @roles;
    my $lost     = sub { join ' ', map { $service->$_->metrics->{pets_database_connections_lost_total} } qw(api auth) };
    my $before   = $lost->();
    $database->set_password($_) for @roles;
    go_on();
    is $lost->(), $before, 'connections that are there go on';
    reload(qw(api auth));
    go_on();
    for my $role (@roles) {
        isnt $database->password($role), $old{$role}, "$role: another password";
        my $logged_in = eval {
            DBI->connect('dbi:Pg:dbname=pets;host=' . $database->socket_dir . ';port=' . $database->port, $role, $old{$role}, { RaiseError => 1, PrintError => 0 });
            1;
        };
        ok !$logged_in, "$role: the old one lets nobody in";
        like $@, qr/password authentication failed/, "$role: as it is not the password";
    }
};

subtest 'everybody was served' => sub {
    go_on();
    open my $file, '>', $stop or die;
    close $file;
    is join(' ', map { waitpid $_, 0; $? } @running), join(' ', (0) x PEOPLE), 'all people ended well';
    my (%count, @bad);
    for my $number (1 .. PEOPLE) {
        for my $line (split /\n/, slurp(file_of($number))) {
            my ($what, $verdict) = split /\t/, $line;
            $count{$what}++;
            push @bad, $line if $verdict ne 'good';
        }
    }
    is join("\n", @bad), '', 'every answer was good: ' . join ', ', map { "$count{$_} $_" } sort keys %count;
    cmp_ok $count{$_} // 0, '>', 5, "there were many: $_" for qw(me create list refresh login);
    is $service->database->dbh->selectrow_array('select count(*) from pets.pet'), $count{create}, 'each pet is there, once';
};

done_testing;
