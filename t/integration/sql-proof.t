# A password has been checked, and something is opened with it at the same moment as the password is changed, reset, or
# the account disabled, in two transactions of which each may be first. Nothing that the old password has opened is there
# afterwards, nor is an API key; the later one waits for the earlier one, and no two wait for each other. A newer hash changes nothing.
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(random_hex test_dir wait_until);
use Pets::Sql qw(call start_call enter person session_terms uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my $admin = person($pg, 'ada@example.org', 'ADMIN');
my ($opener, $auth, $ops) = ($pg->dbh('pets_auth'), $pg->dbh('pets_auth'), $pg->dbh('pets_ops'));
my $people = 0;

sub bytes ($count) { return '\\x' . random_hex($count) }
sub pid ($dbh) { return $dbh->{pg_pid} }
sub generation ($who) { return $super->selectrow_array('select generation from pets.credential where account_id = ?', undef, $who->{id}) }
sub live ($who) { return $super->selectrow_array('select count(*) from pets.session where account_id = ? and revoked_at is null', undef, $who->{id}) }
sub proved_at ($who) { return $super->selectrow_array('select authenticated_at from pets.session where id = ?', undef, $who->{session}) }
sub waits ($dbh) { return $super->selectrow_array(q{select count(*) from pg_stat_activity where pid = ? and wait_event_type = 'Lock'}, undef, pid($dbh)) }

sub reset_link ($who) {
    my $hash = bytes(32);
    $super->do(q{insert into pets.reset_link (id, link_hash, account_id, expires_at) values (?, ?, ?, now() + interval '1 hour')}, undef, uuid7(), $hash, $who->{id});
    return $hash;
}

# What is opened: [name, statement, whose identity, arguments].
my @open = (
    ['a session',       'session_open',         undef,  sub ($who) { (session_id => uuid7(), account_id => $who->{id}, session_terms(), credential_generation => generation($who)) }],
    ['a second step',   'login_challenge_open', undef,  sub ($who) { (account_id => $who->{id}, token_hash => bytes(32), lifetime_s => 300, credential_generation => generation($who)) }],
    ['a fresh proof',   'step_up_password',     'self', sub ($who) { (own => $who->{id}, session_id => $who->{session}, generation => generation($who)) }],
);

sub live_keys ($who) { return $super->selectrow_array('select count(*) from pets.api_key where account_id = ? and revoked_at is null', undef, $who->{id}) }

# What ends it: [name, connection, statement, whose identity, arguments, how many of two sessions are left of it].
my @end = (
    ['a change of password', $auth, 'password_change', 'self',  sub ($who) { (revoke_keys => 0, own => $who->{id}, session_id => $who->{session}, generation => generation($who), hash => 'y' x 60, pepper_id => 'p') }, 1],
    ['a reset',              $auth, 'reset_confirm',   undef,   sub ($who) { (revoke_keys => 1, link_hash => reset_link($who), hash => 'y' x 60, pepper_id => 'p') }, 0],
    ['an administrator',     $auth, 'users_change',    'admin', sub ($who) { (id => $who->{id}, own => $admin->{id}, state => 'disabled', reason => 'r') }, 0],
    ['an operator',          $ops,  'account_change',  undef,   sub ($who) { (id => $who->{id}, state => 'disabled', operator => 'o', reason => 'r') }, 0],
);

sub someone () { return person($pg, 'someone' . ++$people . '@example.org') }

sub begin ($dbh, $identity, $who) {
    $dbh->begin_work;
    enter($dbh, $identity eq 'admin' ? $admin : $who, $identity eq 'admin' ? 'ADMIN' : undef) if $identity;
    return;
}

# Both, in that order: the second one is sent while the first has not been committed, and must wait for it. Returns the
# rows of both; of a function that returned null there is none.
sub in_order ($who, $first, $second) {
    my %rows;
    my ($one, $one_name, $one_identity, %one) = @$first;
    my ($two, $two_name, $two_identity, %two) = @$second;
    begin($one, $one_identity, $who);
    $rows{$one_name} = call($one, $one_name, %one);
    begin($two, $two_identity, $who);
    my $sth = start_call($two, { pg_async => 1 }, $two_name, %two);
    ok eval { wait_until { waits($two) } 20, 'the second one to wait'; 1 }, 'the later one waits' or diag $@;
    $one->commit;
    $two->pg_result;
    $rows{$two_name} = $sth->fetchall_arrayref({});
    $two->commit;
    return \%rows;
}

for my $open (@open) {
    my ($what, $open_name, $open_identity, $open_arguments) = @$open;
    for my $end (@end) {
        my ($ender, $dbh, $end_name, $end_identity, $end_arguments, $left) = @$end;

        subtest "$what, then $ender" => sub {
            my $who  = someone();
            my %open = $open_arguments->($who);
            my $rows = in_order($who, [$opener, $open_name, $open_identity, %open], [$dbh, $end_name, $end_identity, $end_arguments->($who)]);
            is scalar $rows->{$open_name}->@*, 1, 'the former comes off';
            is scalar $rows->{$end_name}->@*, 1, 'so does the latter';
            is live($who), $left, 'and what it ends is ended, whatever was opened at that moment';
            if ($open_name eq 'login_challenge_open') {
                my ($kept) = $super->selectrow_array('select credential_generation from pets.login_challenge where account_id = ?', undef, $who->{id});
                is_deeply call($auth, 'session_open', session_id => uuid7(), account_id => $who->{id}, session_terms(), credential_generation => $kept // $open{credential_generation}), [], 'the second step opens nothing';
            }
        };

        subtest "$ender, then $what" => sub {
            my $who = someone();
            my $was = proved_at($who);
            my $rows = in_order($who, [$dbh, $end_name, $end_identity, $end_arguments->($who)], [$opener, $open_name, $open_identity, $open_arguments->($who)]);
            is scalar $rows->{$end_name}->@*, 1, 'the former comes off';
            is_deeply $rows->{$open_name}, [], 'the latter does not';
            is live($who), $left, 'no session more';
            is $super->selectrow_array('select count(*) from pets.login_challenge where account_id = ?', undef, $who->{id}), 0, 'no second step';
            is proved_at($who), $was, 'and nothing is proved' if $end_name ne 'password_change';
        };
    }
}

subtest 'a newer hash of the same password' => sub {
    my $rehash = sub ($who) { (account_id => $who->{id}, old_hash => '$2b$12$' . 'x' x 53, hash => 'z' x 60, pepper_id => 'p2') };
    for my $open (@open) {
        my ($what, $name, $identity, $arguments) = @$open;
        my $who  = someone();
        my $rows = in_order($who, [$auth, 'credential_rehash', undef, $rehash->($who)], [$opener, $name, $identity, $arguments->($who)]);
        is $rows->{credential_rehash}[0]{account_id}, $who->{id}, "$what: stored";
        is scalar $rows->{$name}->@*, 1, '... and what waited for it comes off';
        is generation($who), 1, '... as it is the same password';

        $who  = someone();
        $rows = in_order($who, [$opener, $name, $identity, $arguments->($who)], [$auth, 'credential_rehash', undef, $rehash->($who)]);
        is scalar $rows->{$name}->@*, 1, "$what, first";
        is $rows->{credential_rehash}[0]{account_id}, $who->{id}, '... and the newer hash is stored then';
    }
    my $who   = someone();
    my %other = (revoke_keys => 0, own => $who->{id}, session_id => $who->{session}, generation => 1, hash => 'y' x 60, pepper_id => 'p');
    my $rows  = in_order($who, [$auth, 'credential_rehash', undef, $rehash->($who)], [$opener, 'password_change', 'self', %other]);
    is scalar $rows->{password_change}->@*, 1, 'a change of password does not mind';
    is $super->selectrow_array('select hash from pets.credential where account_id = ?', undef, $who->{id}), 'y' x 60, 'and is what counts';
    $who  = someone();
    %other = (%other, own => $who->{id}, session_id => $who->{session});
    $rows = in_order($who, [$opener, 'password_change', 'self', %other], [$auth, 'credential_rehash', undef, $rehash->($who)]);
    is $rows->{credential_rehash}[0]{account_id}, undef, 'a newer hash of the old password comes too late';
    is $super->selectrow_array('select hash from pets.credential where account_id = ?', undef, $who->{id}), 'y' x 60, 'and changes nothing';
};

subtest 'an API key that is made in a session that ends' => sub {
    my $make = sub ($who) { (id => uuid7(), own => $who->{id}, session_id => $who->{session}, name => 'k', scopes => '{pets:read}', key_hash => bytes(32), days => 1) };
    my @end = (
        ['a reset',          $auth, 'reset_confirm',   undef,   sub ($who) { (link_hash => reset_link($who), hash => 'y' x 60, pepper_id => 'p', revoke_keys => 1) }],
        ['an administrator', $auth, 'users_revoke',    'admin', sub ($who) { (id => $who->{id}, own => $admin->{id}, reason => 'r') }],
        ['an operator',      $ops,  'account_revoke',  undef,   sub ($who) { (id => $who->{id}, operator => 'o', reason => 'r') }],
    );
    for my $end (@end) {
        my ($ender, $dbh, $name, $identity, $arguments) = @$end;
        my $who  = someone();
        my $rows = in_order($who, [$opener, 'api_key_create', 'self', $make->($who)], [$dbh, $name, $identity, $arguments->($who)]);
        is scalar $rows->{api_key_create}->@*, 1, "a key, then $ender: it is made";
        is live_keys($who), 0, '... and revoked';
        is live($who), 0, '... as the session is';

        $who = someone();
        begin($dbh, $identity, $who);
        call($dbh, $name, $arguments->($who));
        begin($opener, 'self', $who);
        my $sth = start_call($opener, { pg_async => 1 }, 'api_key_create', $make->($who));
        wait_until { waits($opener) } 20, 'the key to wait';
        $dbh->commit;
        ok !eval { $opener->pg_result; 1 }, "$ender, then a key: it is refused";
        is $opener->state, 'PE001', '... as the session has ended';
        $opener->rollback;
        is live_keys($who), 0, '... and not made';
    }
};

subtest 'many at once' => sub {
    my $who   = someone();
    my @dbh   = map { $pg->dbh('pets_auth') } 1 .. 12;
    my %terms = (account_id => $who->{id}, credential_generation => 1);
    my @open  = map { start_call($dbh[$_], { pg_async => 1 }, 'session_open', session_terms(), %terms, session_id => uuid7()) } 0 .. 11;
    my $rows  = call($auth, 'reset_confirm', revoke_keys => 1, link_hash => reset_link($who), hash => 'y' x 60, pepper_id => 'p');
    is $rows->[0]{account_id}, $who->{id}, 'a reset among twelve logins';
    $_->pg_result for @dbh;
    undef @open;
    is live($who), 0, 'none of them has a session afterwards';
    $_->disconnect for @dbh;
};

$_->disconnect for $opener, $auth, $ops, $super;
done_testing;
