# Accounts and sessions: registering, logging in and out; who is told what when it fails; and that whatever ends a
# session or changes an account acts on the very next request, in both pools.
use v5.36;
use utf8;
use open qw(:std :encoding(UTF-8));
use Pets::Env qw(slurp wait_until);
use Pets::Service;
use Test::More;
use Time::HiRes qw(time);

my $service = Pets::Service->new->start;
my $client  = $service->client;
my $root    = $service->database->dbh;    # PostgreSQL's superuser: what an operator could do
my $secret  = 'correct horse battery staple';
my @places  = (['api', '/v1/pets'], ['auth', '/v1/me']);

# So many bytes that do not repeat.
sub lengthy ($bytes) { return join '', map { chr 33 + $_ * $_ / 7 % 90 } 1 .. $bytes }

sub everywhere ($who, $expect, $name) {
    for my $place (@places) {
        my $reply = $who->get($place->[1]);
        is $reply->status . ($reply->code ? ' ' . $reply->code : ''), $expect, "$place->[0]: $name" or diag $reply->summary;
    }
    return;
}

subtest 'register' => sub {
    my $reply = $client->register('Ann.Lee@Example.org', $secret, 'Ann Lee');
    is $reply->status, 201, 'status 201' or return diag $reply->summary;
    is $reply->location, '/v1/me', 'Location';
    my $account = $reply->json;
    is_deeply [sort keys %$account], [sort qw(id email display_name role state created_at updated_at version)], 'these fields and no others';
    is $account->{email}, 'Ann.Lee@Example.org', 'the address as it was given';
    is $account->{role}, 'USER', 'a USER';
    is $account->{state}, 'active', 'active';
    is $account->{version}, 1, 'version 1';
    my $ann = $client->login('ann.lee@example.org', $secret);
    is_deeply $ann->get('/v1/me')->json, $account, 'logged in with the address in another case: the same account';
    is $client->register('ANN.LEE@example.ORG', $secret)->code, 'email_taken', 'the address is taken, in any case';
    is $client->register('ann.lee@example.org', $secret)->status, 409, 'status 409';
};

subtest 'what cannot be registered' => sub {
    my @cases = (
        ['e-mail missing',          { email => undef },                 '/email'],
        ['e-mail empty',            { email => '' },                    '/email'],
        ['e-mail without @',        { email => 'ann' },                 '/email'],
        ['e-mail with two @',       { email => 'a@b@example.org' },     '/email'],
        ['e-mail with a blank',     { email => 'a b@example.org' },     '/email'],
        ['e-mail with a line end',  { email => "a\@example.org\n" },    '/email'],
        ['e-mail with a header',    { email => "a\@example.org\r\nBcc: b\@example.org" }, '/email'],
        ['e-mail with a NUL',       { email => "a\@example.org\0" },    '/email'],
        ['e-mail too long',         { email => 'a' x 250 . '@example.org' }, '/email'],
        ['e-mail a number',         { email => 1 },                     '/email'],
        ['password missing',        { password => undef },              '/password'],
        ['password of 14',          { password => 'fourteen chars' },           '/password'],
        ['password of 14 of four bytes', { password => '🐕🐈🐇🐎🐖🐑🐐🐓🦆🐢🐍🦎🐟🐁' },     '/password'],
        ['password of 1025 bytes',  { password => lengthy(1025) },         '/password'],
        ['password a list',         { password => ['x' x 20] },         '/password'],
        ['display name missing',    { display_name => undef },          '/display_name'],
        ['display name empty',      { display_name => '' },             '/display_name'],
        ['display name of 81',      { display_name => 'ä' x 81 },       '/display_name'],
        ['display name with a line end', { display_name => "a\nb" },    '/display_name'],
        ['a role',                  { role => 'ADMIN' },                '/role'],
        ['a state',                 { state => 'active' },              '/state'],
        ['an id',                   { id => '019b0000-0000-7000-8000-000000000000' }, '/id'],
        ['everything at once',      { email => 'x', password => 'x', display_name => '', extra => 1 }, '/display_name', '/email', '/extra', '/password'],
    );
    my $before = $root->selectrow_array('select count(*) from pets.account');
    for my $case (@cases) {
        my ($name, $change, @pointers) = @$case;
        my %body = (email => 'new@example.org', password => $secret, display_name => 'New', %$change);
        delete $body{$_} for grep { !defined $body{$_} } keys %body;
        my $reply = $client->post('/v1/auth/register', \%body);
        is $reply->status, 422, "$name: 422" or diag $reply->summary;
        is_deeply [$reply->pointers], \@pointers, "$name: named" or diag $reply->body;
        ok index($reply->body, 'horse') < 0, "$name: the password is not repeated";
    }
    is $root->selectrow_array('select count(*) from pets.account'), $before, 'no account was made';
};

subtest 'passwords are taken whole' => sub {
    my $number = 0;
    my $pets   = '🐕🐈🐇🐎🐖🐑🐐🐓🦆🐢🐍🦎🐟🐀';
    for my $case (
        ['15 characters',                'fifteen letters', 'fifteen letterz'],
        ['15 characters of four bytes',  "$pets🐁", "$pets🐀"],
        ['1024 bytes',                   lengthy(1024), lengthy(1023) . '~'],
        ['more than bcrypt reads',       lengthy(72) . 'a',    lengthy(72) . 'b'],
        ['behind a NUL',                 "fifteen letters\0a", "fifteen letters\0b"],
        ['blanks around it',             "  $secret  ",        $secret],
        ['not normalized',               "a small caf\x{e9} here", "a small cafe\x{301} here"],
    ) {
        my ($name, $password, $nearly) = @$case;
        my $email = 'password' . ++$number . '@example.org';
        is $client->register($email, $password)->status, 201, "$name: registered";
        is $client->post('/v1/auth/login', { email => $email, password => $nearly })->status, 401, "$name: one that is nearly the same is not";
        is $client->post('/v1/auth/login', { email => $email, password => $password })->status, 200, "$name: this is";
    }
    my ($hash) = $root->selectrow_array(q{select hash from pets.credential limit 1});
    like $hash, qr/\A\$2b\$10\$[.\/A-Za-z0-9]{53}\z/, 'kept as bcrypt of the configured cost';
};

subtest 'a login that fails' => sub {
    my $bob = $service->user;
    my $disabled = $service->user;
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $disabled->id);
    my %reply = (
        'wrong password'   => $client->post('/v1/auth/login', { email => $bob->email, password => 'not the password of Bob' }),
        'unknown e-mail'   => $client->post('/v1/auth/login', { email => 'nobody@example.org', password => $secret }),
        'disabled account' => $client->post('/v1/auth/login', { email => $disabled->email, password => $disabled->password }),
        'no e-mail at all' => $client->post('/v1/auth/login', { email => 'x', password => $secret }),
        'a short password' => $client->post('/v1/auth/login', { email => $bob->email, password => 'x' }),
    );
    my %same;
    for my $name (sort keys %reply) {
        my $reply = $reply{$name};
        is $reply->status . ' ' . $reply->code, '401 invalid_credentials', "$name: 401";
        my %problem = %{ $reply->json // {} };
        delete $problem{trace_id};
        $same{ JSON::PP->new->canonical->encode(\%problem) }++;
    }
    is scalar keys %same, 1, 'all of them get the same answer' or diag join "\n", keys %same;
    is $client->post('/v1/auth/login', { email => $bob->email, password => $bob->password, remember => 1 })->status, 422, 'unknown fields are refused here too';
    my %reasons = map { $_->[0] => $_->[1] } @{ $root->selectall_arrayref(
        q{select detail ->> 'reason', count(*) from pets.audit_event where action = 'authn_login_fail' group by 1}) };
    is_deeply [sort keys %reasons], [qw(account_disabled unknown_email wrong_password)], 'the record knows why';
};

subtest 'an unknown e-mail takes as long as a wrong password' => sub {
    my $bob = $service->user;
    my %took = (wrong => [], unknown => []);
    for my $round (1 .. 7) {
        for my $case (['wrong', $bob->email], ['unknown', "nobody$round\@example.org"]) {
            my $from = time;
            $client->post('/v1/auth/login', { email => $case->[1], password => 'no such password at all' });
            push @{ $took{ $case->[0] } }, time - $from;
        }
    }
    # The least of them, so that a busy machine does not matter.
    my ($wrong, $unknown) = map { (sort { $a <=> $b } @{ $took{$_} })[0] } qw(wrong unknown);
    note sprintf 'wrong password %.1f ms, unknown e-mail %.1f ms', 1000 * $wrong, 1000 * $unknown;
    cmp_ok $unknown, '>', 0.5 * $wrong, 'not much faster';
    cmp_ok $unknown, '<', 2 * $wrong, 'nor slower';
};

subtest 'logging in' => sub {
    my $email = 'login@example.org';
    $client->register($email, $secret);
    my $reply = $client->post('/v1/auth/login', { email => $email, password => $secret }, headers => { 'user-agent' => 'x' x 2000 });
    is $reply->status, 200, 'status 200' or return diag $reply->summary;
    is_deeply [sort keys $reply->json->%*], [sort qw(access_token token_type expires_in refresh_token refresh_expires_in session_id)], 'the fields';
    is $reply->json->{token_type}, 'Bearer', 'Bearer';
    is $reply->json->{expires_in}, 600, 'ten minutes';
    is $reply->json->{refresh_expires_in}, 14 * 86400, 'two weeks, if it is not refreshed';
    like $reply->json->{refresh_token}, qr/\Apr_[\w-]{70}\z/, 'a refresh token that scanners know';
    is $reply->header('cache-control'), 'no-store', 'nobody stores it';
    my ($first, $second) = map { $client->login($email, $secret) } 1, 2;
    isnt $first->session_id, $second->session_id, 'every login is a session of its own';
    is $first->logout->status, 204, 'logout: 204';
    everywhere($first, '401 session_ended', 'the session is over at once');
    everywhere($second, '200', 'the other one is not');
    is $first->logout->code, 'session_ended', 'a second logout has nothing to end';
    is $client->logout->code, 'token_missing', 'nor has one without a token';
};

subtest 'what acts on the next request' => sub {
    my $eve = $service->user->enrol;    # an administrator must have a second factor
    everywhere($eve, '200', 'as usual');
    $root->do(q{update pets.account set state = 'disabled' where id = ?}, undef, $eve->id);
    everywhere($eve, '401 session_ended', 'disabled');
    $root->do(q{update pets.account set state = 'active' where id = ?}, undef, $eve->id);
    everywhere($eve, '200', 'enabled again');

    my $others = '/v1/pets?owner_id=' . $service->user->id;
    is $eve->get($others)->status, 403, 'a USER may not';
    $service->admin;    # so that she is not the last one
    $root->do(q{update pets.account set role = 'ADMIN' where id = ?}, undef, $eve->id);
    is $eve->get($others)->status, 200, 'an ADMIN may, with the same token';
    is $eve->get('/v1/me')->json->{role}, 'ADMIN', 'and is told so';
    $root->do(q{update pets.account set role = 'USER' where id = ?}, undef, $eve->id);
    is $eve->get($others)->status, 403, 'and no longer';

    $root->do(q{update pets.session set expires_at = now() - interval '1 second', created_at = now() - interval '1 hour' where id = ?}, undef, $eve->session_id);
    everywhere($eve, '401 session_ended', 'the session is too old');
};

subtest 'an administrator made by petsctl' => sub {
    my $admin = $service->admin(email => 'root@example.org');
    is $admin->get('/v1/me')->json->{role}, 'ADMIN', 'is one';
    ok !eval { $service->add_user('ROOT@example.org', $secret, '--admin'); 1 }, 'the address is taken';
    like $@, qr/taken/, 'and petsctl says so';
    ok !eval { $service->add_user('short@example.org', 'short', '--admin'); 1 }, 'a short password is refused';
    my $plain = $service->add_user('plain@example.org', $secret);
    is $client->login('plain@example.org', $secret)->get('/v1/me')->json->{role}, 'USER', 'without --admin: a USER';
};

subtest 'nothing secret is written down' => sub {
    my $ann = $client->login('ann.lee@example.org', $secret);
    $ann->get($_->[1]) for @places;
    $client->post('/v1/auth/login', { email => 'ann.lee@example.org', password => 'a wrong but telling password' });
    my $signature = (split /\./, $ann->token)[2];
    my $dir = $service->dir;
    kill USR1 => $service->nginx->pid;    # makes nginx write what it holds back
    for my $file (grep { -f } glob("$dir/*.log"), glob("$dir/nginx/logs/*"), $service->database->log_file) {
        my $text = slurp($file);
        my $name = substr $file, 1 + length $dir;
        ok index($text, 'battery') < 0 && index($text, 'telling') < 0, "$name: no password";
        ok index($text, $signature) < 0, "$name: no token";
    }
    for my $table (qw(account session audit_event)) {
        my $rows = join "\n", map { $_->[0] } @{ $root->selectall_arrayref("select t::text from pets.$table t") };
        ok index($rows, 'battery') < 0 && index($rows, $signature) < 0, "pets.$table: neither";
    }
};

$root->disconnect;
done_testing;
