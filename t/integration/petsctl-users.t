# petsctl with the whole service: people and their sessions, as an operator sees and changes them. What is changed acts
# on the next request of both pools; whatever changes something is recorded with who did it and why.
use v5.36;
use JSON::PP ();
use Pets::Env qw(bin run);
use Pets::Service;
use POSIX ();
use Test::More;

my $service = Pets::Service->new->start;
my $root    = $service->database->dbh;
my $config  = $service->ops_config;
my $me      = getpwuid $<;
my @why     = ('--reason', 'as agreed');

sub petsctl (@arguments) {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $config, @arguments], timeout => 60);
    return ($status >> 8, $out, $err);
}

sub json (@arguments) {
    my ($status, $out, $err) = petsctl(@arguments, '--json');
    is $status, 0, "@arguments --json" or diag $err;
    return JSON::PP->new->utf8->decode($out);
}

sub done_ok (@arguments) {
    my ($status, $out, $err) = petsctl(@arguments);
    is $status, 0, "@arguments" =~ s/ --reason.*//r or diag $err;
    return $out;
}

sub failed_ok ($code, $why, @arguments) {
    my ($status, $out, $err) = petsctl(@arguments);
    is $status, $code, join(' ', @arguments) . ": exit status $code";
    is $out, '', 'nothing on standard output';
    like $err, qr/\Apetsctl: .*$why/, 'and why';
    return;
}

# The events since the last look, as "action outcome operator reason", without those of requests that were refused.
sub events () {
    state $last = 0;
    my $rows = $root->selectall_arrayref('select id, action, outcome, detail from pets.audit_event where id > $1 and action not in (\'authz_fail\', \'session_use_after_expire\') order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    return join ', ', map {
        my $detail = JSON::PP->new->decode($_->{detail} // '{}');
        join ' ', $_->{action}, $_->{outcome}, map { $_ // '-' } @$detail{qw(operator reason)}
    } @$rows;
}

# How a person's token is answered, in both pools. (Of one's own pets nothing is recorded.)
my $none = '019b0000-0000-7000-8000-00000000dead';
sub answers ($person) { return join(' ', map { $person->get($_)->status } "/v1/pets/$none", '/v1/me') =~ s/^404/200/r }

my $ann   = $service->user(email => 'ann@example.org', display_name => "Ann \x{e9}")->enrol;
my $ben   = $service->user;
my $admin = $service->admin;
my $id    = $ann->id;
events();

subtest 'user list and show' => sub {
    my $list = json('user', 'list');
    is_deeply [map { $_->{email} } @$list], [map { $_->email } $admin, $ben, $ann], 'newest first';
    is_deeply [map { $_->{id} } json('user', 'list', '--limit', 1)->@*], [$admin->id], 'so many';
    is_deeply [map { $_->{id} } json('user', 'list', '--before', $ben->id)->@*], [$id], 'the next page';
    is_deeply [map { $_->{id} } json('user', 'list', '--role', 'ADMIN')->@*], [$admin->id], 'administrators';
    is_deeply json('user', 'list', '--state', 'disabled'), [], 'nobody is disabled';
    is_deeply [map { $_->{id} } json('user', 'list', 'ANN@')->@*], [$id], 'by a part of the address';
    my $shown = json('user', 'show', 'Ann@Example.org');
    is_deeply $shown, json('user', 'show', $id), 'shown by address or by id';
    is_deeply $shown, $ann->account, 'and what the API says';
    my @lines = split /\n/, done_ok('user', 'list');
    like $lines[0], qr/^id +email +display_name +role +state +created_at +updated_at +version$/, 'a table for people';
    is scalar @lines, 4, 'of three';
    like done_ok('user', 'show', $id), qr/^email +ann\@example\.org$/m, 'a line each';
    failed_ok 3, 'no such account', 'user', 'show', 'nobody@example.org';
    failed_ok 3, 'no such account', 'user', 'show', $none;
    failed_ok 2, 'limit', 'user', 'list', '--limit', $_ for 0, 1001, '1x', '-1';
    failed_ok 2, 'before', 'user', 'list', '--before', 'x';
    failed_ok 2, 'ROLE is one of: USER ADMIN', 'user', 'list', '--role', $_ for 'admin', 'USE', 'USER ADMIN', '';
    failed_ok 2, 'STATE is one of: active disabled', 'user', 'list', '--state', 'locked';
    is events(), join(', ', ('authz_admin success %s -') x 10) =~ s/%s/$me/gr, 'that somebody looked is recorded';
};

subtest 'what changes something needs a reason' => sub {
    failed_ok 2, 'needs --reason', @$_ for ['user', 'role', $id, 'ADMIN'], ['user', 'disable', $id], ['user', 'enable', $id], ['user', 'revoke', $id],
        ['session', 'revoke', $ann->session_id];
    is answers($ann), '200 200', 'nothing was changed';
    failed_ok 3, 'no such account', 'user', $_, 'nobody@example.org', @why for qw(disable enable revoke);
    is events(), '', 'nor recorded';
};

subtest 'role' => sub {
    my $others = '/v1/pets?owner_id=' . $ben->id;
    is $ann->get($others)->status, 403, 'a USER may not';
    done_ok 'user', 'role', 'ann@example.org', 'ADMIN', @why;
    is $ann->get($others)->status, 200, 'an ADMIN may, on the next request';
    is events(), "authz_change success $me as agreed, authz_admin success - -", 'recorded, as is what an ADMIN sees';
    done_ok 'user', 'role', $id, 'USER', @why;
    is $ann->get($others)->status, 403, 'and no longer';
    is events(), "authz_change success $me as agreed", 'recorded';
    failed_ok 2, 'ROLE is one of: USER ADMIN', 'user', 'role', $id, 'GOD', @why;
    my ($status, $out, $err) = petsctl('user', 'role', $id, 'USER', @why);
    is "$status $out$err", "0 petsctl: it was so already\n", 'again: nothing to do';
    is events(), '', 'and no event';
};

subtest 'disable and enable' => sub {
    is answers($ann), '200 200', 'before';
    done_ok 'user', 'disable', $id, @why;
    is answers($ann), '401 401', 'refused from the next request on';
    is $service->client->post('/v1/auth/login', { email => 'ann@example.org', password => $ann->password })->code, 'invalid_credentials', 'and logs in no more';
    is events(), "user_disabled success $me as agreed, authn_login_fail failure - account_disabled", 'that is recorded';
    done_ok 'user', 'enable', $id, @why;
    is answers($ann), '401 401', 'the old session stays over';
    is events(), "user_enabled success $me as agreed", 'so is this';
    $ann = $service->client->login('ann@example.org', $ann->password, $ann->app);
    is answers($ann), '200 200', 'a new one is good';
    events();
};

subtest 'sessions' => sub {
    my $second = $service->client->login('ann@example.org', $ann->password, $ann->app);
    my $third  = $service->client->login('ann@example.org', $ann->password, $ann->app);
    events();
    my $list = json('session', 'list', $id);
    is_deeply [map { $_->{id} } @$list], [map { $_->session_id } $third, $second, $ann], 'those that are live, newest first';
    is $list->[0]{user_agent}, 'pets-tests', 'with what is known of them';
    is scalar json('session', 'list', $id, '--all')->@*, 4, 'with those that are over';
    done_ok 'session', 'revoke', $second->session_id, @why;
    is answers($second), '401 401', 'one is refused from the next request on';
    is answers($third),  '200 200', 'the others are not';
    is events(), "authz_admin success $me -, authz_admin success $me -, session_expired success $me as agreed", 'it is recorded, and so is looking';
    failed_ok 3, 'is live', 'session', 'revoke', $second->session_id, @why;
    failed_ok 2, 'id of a session', 'session', 'revoke', 'x', @why;
    is done_ok('user', 'revoke', 'ann@example.org', @why), "2 sessions and 0 API keys ended\n", 'all of hers';
    is answers($_), '401 401', 'refused' for $ann, $third;
    is answers($ben), '200 200', 'nobody else is';
    is events(), "session_expired success $me as agreed", 'it is recorded once';
};

subtest 'the last active administrator' => sub {
    failed_ok 1, 'last active administrator', 'user', 'role', $admin->id, 'USER', @why;
    failed_ok 1, 'last active administrator', 'user', 'disable', $admin->id, @why;
    is answers($admin), '200 200', 'he is not touched';
    is events(), "authz_change failure $me as agreed, user_disabled failure $me as agreed", 'that somebody tried is recorded';
    my @admins = ($admin->id, map { $service->add_user("admin$_\@example.org", 'the password of an administrator', '--admin') =~ s/\s//gr } 1 .. 5);
    my @running = map {
        my $target = $_;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my @verb = $target eq $admins[0] ? ('disable', $target) : ('role', $target, 'USER');
            open STDERR, '>', '/dev/null';
            exec bin('petsctl'), '-c', $config, 'user', @verb, @why or POSIX::_exit(127);
        }
        $pid;
    } @admins;
    my %ended;
    $ended{ waitpid($_, 0) == $_ ? $? >> 8 : 'lost' }++ for @running;
    is_deeply \%ended, { 0 => 5, 1 => 1 }, 'of six that go at once, five do';
    is $root->selectrow_array(q{select count(*) from pets.account where role = 'ADMIN' and state = 'active'}), 1, 'one is left';
};

subtest 'text from outside does no harm to a terminal' => sub {
    $root->do(q{update pets.session set user_agent = $1 where id = $2}, undef, "x\e]0;owned\a\x{9b}31m", $ben->session_id);
    my $out = done_ok('session', 'list', $ben->id);
    unlike $out, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/, 'control characters are not printed';
    like $out, qr/x\?\]0;owned\?/, 'but shown';
    is json('session', 'list', $ben->id)->[0]{user_agent}, "x\e]0;owned\a\x{9b}31m", 'a program gets them';
};

subtest 'a configuration of another role' => sub {
    my ($status, $out, $err) = run([bin('petsctl'), '-c', $service->auth->file, 'user', 'list'], timeout => 60);
    is $status >> 8, 1, 'does not help';
    like $err, qr/petsctl: .*: pool\.name must be ops for this/, 'and says so';
};

$root->disconnect;
done_testing;
