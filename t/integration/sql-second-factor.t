# The second factor in the database: who may see, make and remove one; that each code is taken once, by however many
# connections it comes; that tries are counted exactly; and who is told.
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(random_hex test_dir);
use Pets::Sql qw(call start_call as person uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my $auth  = $pg->dbh('pets_auth');
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));

sub bytes ($count)  { return '\\x' . random_hex($count) }
sub state_of ($code) { return eval { $code->(); 1 } ? 'no error' : ($@ =~ /^SQLSTATE (\w+)/)[0] // $auth->state }
sub own ($person, $name, %argument) { return as($auth, $person, sub ($dbh) { call($dbh, $name, own => $person->{id}, %argument) }) }
sub count_of ($sql, @values) { return $super->selectrow_array("select count(*) from $sql", undef, @values) }

sub confirm ($person, %argument) {
    own($person, 'totp_enrol', secret => bytes(48), key_id => 'k1');
    my @hashes = map { bytes(32) } 1 .. 10;
    my $rows = own($person, 'totp_confirm', session_id => $person->{session}, step => 1, hashes => \@hashes, %argument);
    return ($rows, @hashes);
}

sub generation ($person) { return $super->selectrow_array('select generation from pets.credential where account_id = ?', undef, $person->{id}) }

# A login that waits: the hash of its token.
sub waiting ($person) {
    my $hash = bytes(32);
    call($auth, 'login_challenge_open', account_id => $person->{id}, token_hash => $hash, lifetime_s => 300, credential_generation => generation($person));
    return $hash;
}

# The same statement from many connections at once; how many had a row.
sub at_once ($name, @arguments) {
    my @dbh = map { $pg->dbh('pets_auth') } @arguments;
    my @sth = map { start_call($dbh[$_], { pg_async => 1 }, $name, $arguments[$_]->%*) } 0 .. $#arguments;
    my $won = 0;
    for my $i (0 .. $#sth) {
        $won += $dbh[$i]->pg_result;
        $dbh[$i]->disconnect;
    }
    return $won;
}

my (undef, @ann_codes) = confirm($ann);
my (undef, @ben_codes) = confirm($ben);

subtest 'whose it is' => sub {
    is_deeply own($ann, 'second_factor_get'), [{ enrolled => 1, confirmed_at => $super->selectrow_array('select confirmed_at from pets.totp where account_id = ?', undef, $ann->{id}), recovery_codes_left => 10 }], 'one\'s own';
    for my $who ($ann, $ada) {
        is as($auth, $who, sub ($dbh) { $dbh->selectrow_array("select count(*) from pets.$_ where account_id = ?", undef, $ben->{id}) }), 0, "$who->{email} sees no other's $_"
            for qw(totp recovery_code login_challenge);
        is as($auth, $who, sub ($dbh) { $dbh->do('delete from pets.totp where account_id = ?', undef, $ben->{id}) }), '0E0', '... removes none';
        is as($auth, $who, sub ($dbh) { $dbh->do('update pets.totp set last_step = 0 where account_id = ?', undef, $ben->{id}) }), '0E0', '... changes none';
    }
    is state_of(sub { as($auth, $ada, sub ($dbh) { $dbh->do(q{insert into pets.totp (account_id, secret, key_id) values (?, sha512('x'), 'k')}, undef, $ada->{id}) }) }), 'no error', 'an administrator makes his own';
    is state_of(sub { as($auth, $ann, sub ($dbh) { $dbh->do(q{insert into pets.recovery_code (account_id, hash, batch) values (?, sha256('x'), 1)}, undef, $ben->{id}) }) }), '42501', 'nobody makes codes for another';

    # Without an identity codes are taken; nothing is made or removed.
    is state_of(sub { $auth->do(q{insert into pets.recovery_code (account_id, hash, batch) values (?, sha256('x'), 1)}, undef, $ben->{id}) }), '42501', 'without an identity: no codes';
    is $auth->do('delete from pets.totp'), '0E0', '... no factor removed';
    is $auth->do('delete from pets.recovery_code'), '0E0', '... and no code';
    is state_of(sub { as($auth, $ann, sub ($dbh) { call($dbh, 'login_challenge_open', account_id => $ann->{id}, token_hash => bytes(32), lifetime_s => 1, credential_generation => 1) }) }), '42501', 'with one: no login begins';
};

subtest 'enrolling' => sub {
    is_deeply own($ann, 'totp_enrol', secret => bytes(48), key_id => 'k2'), [], 'a confirmed factor is not replaced';
    is_deeply own($ann, 'totp_confirm', session_id => $ann->{session}, step => 9, hashes => [bytes(32)]), [], '... nor confirmed again';
    is count_of(q{pets.totp where account_id = ? and key_id = 'k1' and last_step = 1}, $ann->{id}), 1, 'it is as it was';
    is count_of('pets.session where id = ? and mfa', $ann->{session}), 1, 'the session has seen it';
    is count_of('pets.session where id = ? and mfa', $ada->{session}), 0, 'and no other';
};

subtest 'one code, twenty logins at once' => sub {
    for my $step (2 .. 6) {
        my @logins = map { +{ token_hash => waiting($ann), step => $step } } 1 .. 20;
        is at_once('login_challenge_code', @logins), 1, "step $step: one wins";
        is count_of('pets.login_challenge where account_id = ?', $ann->{id}), 19 * ($step - 1), '... and its login alone is over';
    }
    is_deeply call($auth, 'login_challenge_code', token_hash => waiting($ann), step => 5), [], 'an earlier step comes too late';
    my $login = waiting($ben);
    is at_once('login_challenge_code', map { +{ token_hash => $login, step => 1 + $_ } } 1 .. 20), 1, 'one login, twenty codes: one wins';
    is at_once('login_challenge_recovery', map { +{ token_hash => waiting($ann), hash => $ann_codes[0] } } 1 .. 20), 1, 'one recovery code, twenty logins: one wins';
    $login = waiting($ben);
    is at_once('login_challenge_recovery', map { +{ token_hash => $login, hash => $_ } } @ben_codes), 1, 'one login, ten recovery codes: one wins';
    is own($ben, 'second_factor_get')->[0]{recovery_codes_left}, 9, '... and one is used';
    is_deeply call($auth, 'login_challenge_recovery', token_hash => waiting($ann), hash => $ben_codes[5]), [], 'not with another\'s';
};

subtest 'tries' => sub {
    my $login = waiting($ann);
    is at_once('login_challenge_try', map { +{ token_hash => $login, by_code => 0 } } 1 .. 20), 5, 'a login has five, however they come';
    $super->do('update pets.totp set tries = 0');
    my $free = 0;
    $free += grep { defined $_->{secret} } @$_ for map { call($auth, 'login_challenge_try', token_hash => waiting($ann), by_code => 1) } 1 .. 7;
    is $free, 5, 'an account has five at its one-time codes';
    is_deeply [map { $_->{wait_s} > 25 && $_->{wait_s} <= 30 } own($ann, 'totp_try', confirmed => 1)->@*], [1], 'then it pauses, in its sessions too';
    for my $case ([6, 60], [7, 120], [8, 240], [12, 3600], [1000, 3600]) {
        my ($tries, $pause) = @$case;
        $super->do('update pets.totp set tries = ?, tried_at = now() where account_id = ?', undef, $tries, $ann->{id});
        my $wait = own($ann, 'totp_try', confirmed => 1)->[0]{wait_s};
        ok $wait <= $pause && $wait > $pause - 10, "$tries tries: $pause seconds" or diag $wait;
    }
    own($ann, 'step_up_code', session_id => $ann->{session}, step => 100);
    is count_of('pets.totp where account_id = ? and tries = 0', $ann->{id}), 1, 'a good code ends it';
};

subtest 'a secret is sealed anew' => sub {
    own($ann, 'step_up_code', session_id => $ann->{session}, step => 101);
    is count_of(q{pets.totp where account_id = ? and key_id = 'k1'}, $ann->{id}), 1, 'only when it is given';
    my $secret = bytes(48);
    own($ann, 'step_up_code', session_id => $ann->{session}, step => 102, secret => $secret, key_id => 'k2');
    is $super->selectrow_array(q{select '\\x' || encode(secret, 'hex') || key_id from pets.totp where account_id = ?}, undef, $ann->{id}), $secret . 'k2', 'both at once';
    own($ann, 'step_up_code', session_id => $ann->{session}, step => 102, secret => bytes(48), key_id => 'k3');
    is count_of(q{pets.totp where account_id = ? and key_id = 'k2'}, $ann->{id}), 1, 'not for a code that was used';
};

subtest 'two renewals at once' => sub {
    my @dbh = map { $pg->dbh('pets_auth') } 1, 2;
    my @sets = map { [map { bytes(32) } 1 .. 10] } 1, 2;
    for my $i (0, 1) {
        $dbh[$i]->begin_work;
        call($dbh[$i], 'enter', session_id => $ann->{session}, account_id => $ann->{id}, need_mfa => 0);
    }
    call($dbh[0], 'recovery_codes_renew', own => $ann->{id}, hashes => $sets[0]);
    my $second = start_call($dbh[1], { pg_async => 1 }, 'recovery_codes_renew', own => $ann->{id}, hashes => $sets[1]);
    $dbh[0]->commit;
    $dbh[1]->pg_result;
    $dbh[1]->commit;
    is own($ann, 'second_factor_get')->[0]{recovery_codes_left}, 10, 'leave ten codes';
    is_deeply [map { scalar call($auth, 'login_challenge_recovery', token_hash => waiting($ann), hash => $_->[0])->@* } @sets], [0, 1], 'the later ones';
    $_->disconnect for @dbh;
};

subtest 'another password' => sub {
    my ($ours, $theirs) = (waiting($ann), waiting($ben));
    my $old = '$2b$12$' . 'x' x 53;
    own($ann, 'password_change', session_id => $ann->{session}, generation => 7, hash => 'y' x 60, pepper_id => 'p');
    is count_of('pets.login_challenge where token_hash = ?', $ours), 1, 'one that fails ends no login';
    own($ann, 'password_change', session_id => $ann->{session}, generation => generation($ann), hash => 'y' x 60, pepper_id => 'p');
    is count_of('pets.login_challenge where account_id = ?', $ann->{id}), 0, 'logins that were begun with the old one are over';
    is count_of('pets.login_challenge where token_hash = ?', $theirs), 1, 'another person\'s is not';
};

subtest 'removing, and who is told' => sub {
    my $told = sub { return $super->selectall_arrayref('select kind, recipient, host(address) from pets.mail_outbox where account_id = ? order by created_at', undef, $ann->{id}) };
    own($ann, 'recovery_codes_renew', hashes => [bytes(32)], mail_id => uuid7(), address => '192.0.2.7');
    own($ann, 'second_factor_remove', mail_id => uuid7(), address => '192.0.2.7');
    confirm($ann, mail_id => uuid7(), address => '192.0.2.7');
    is_deeply $told->(), [(['second_factor_changed', 'ann@example.org', '192.0.2.7']) x 3], 'the address is told of each change';
    own($ann, 'second_factor_remove');
    is scalar $told->()->@*, 3, 'unless no mail is sent';
    is count_of('pets.recovery_code where account_id = ?', $ann->{id}), 0, 'no code is left';
    is count_of('pets.session where account_id = ? and mfa', $ann->{id}), 0, 'no session has seen a second factor';
    is_deeply own($ann, 'second_factor_remove', mail_id => uuid7()), [], 'there is none to remove';
    is scalar $told->()->@*, 3, '... and nothing to tell';
};

done_testing;
