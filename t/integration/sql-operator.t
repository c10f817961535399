# The operator's statements, and the last active administrator, who stays one whoever asks: each change one audit
# event with the operator and the reason; of administrators that go at once exactly all but one do.
use v5.36;
use Test::More;
use DBD::Pg qw(:async);
use JSON::PP ();
use Pets::Cluster;
use Pets::Env qw(test_dir wait_until);
use Pets::Sql qw(call start_call as person session_terms uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
my ($auth, $ops) = map { $pg->dbh($_) } qw(pets_auth pets_ops);
my %by = (operator => 'alice', reason => 'as agreed');

# The audit events since the last look.
sub events () {
    state $last = 0;
    my $rows = $super->selectall_arrayref('select id, action, outcome, actor_id, target_type, target_id, detail from pets.audit_event where id > $1 order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    return map { { %$_, detail => defined $_->{detail} ? JSON::PP->new->decode($_->{detail}) : undef } } @$rows;
}

sub event_ok ($what, $action, $target_type, $target, %detail) {
    my @events = events();
    is scalar @events, 1, "$what: one event" or return;
    my $event = $events[0];
    is "$event->{action} $event->{outcome} $event->{target_type} " . ($event->{target_id} // '-'), "$action success $target_type $target", "$what: it says so";
    is $event->{actor_id}, undef, "$what: no account did it";
    is_deeply $event->{detail}, { %by, %detail }, "$what: but an operator, who says why";
    return;
}

sub role_of ($person) { return scalar $super->selectrow_array('select role from pets.account where id = $1', undef, $person->{id}) }

sub state_of ($dbh, $code) {
    return 'no error' if eval { $code->(); 1 };
    return $dbh->state;
}

events();

subtest 'finding and listing' => sub {
    is call($ops, 'account_find', id => $ann->{id})->[0]{email}, 'ann@example.org', 'by id';
    is call($ops, 'account_find', email => 'ANN@example.ORG')->[0]{id}, $ann->{id}, 'by address, in any case';
    is_deeply call($ops, 'account_find', email => 'nobody@example.org'), [], 'nobody';
    my $emails = sub (%argument) { return join ' ', map { $_->{email} =~ s/@.*//r } call($ops, 'account_list', limit => 10, %argument)->@* };
    is $emails->(), 'ada ben ann', 'newest first';
    is $emails->(limit  => 2),          'ada ben', 'so many';
    is $emails->(before => $ada->{id}), 'ben ann', 'the next';
    is $emails->(role   => 'ADMIN'),    'ada',     'of a role';
    is $emails->(state  => 'disabled'), '',        'of a state';
    is $emails->(q      => 'BEN@'),     'ben',     'with a part of the address';
    is $emails->(q      => '%'),        '',        'where nothing stands for anything';
    is scalar events(), 0, 'no event';
};

subtest 'role and state' => sub {
    is_deeply call($ops, 'account_change', id => $ben->{id}, role => 'ADMIN', %by), [{ changed => 1, sessions_ended => 0 }], 'promoted';
    event_ok 'promoted', 'authz_change', 'account', $ben->{id}, old => 'USER', new => 'ADMIN';
    is_deeply call($ops, 'account_change', id => $ben->{id}, role => 'ADMIN', %by), [{ changed => 0, sessions_ended => 0 }], 'again: nothing to do';
    is scalar events(), 0, 'and no event';
    is_deeply call($ops, 'account_change', id => $ben->{id}, state => 'disabled', %by), [{ changed => 1, sessions_ended => 1 }], 'disabled: his session ends';
    event_ok 'disabled', 'user_disabled', 'account', $ben->{id}, old => 'active', new => 'disabled';
    is_deeply call($ops, 'account_change', id => $ben->{id}, state => 'active', %by), [{ changed => 1, sessions_ended => 0 }], 'enabled';
    event_ok 'enabled', 'user_enabled', 'account', $ben->{id}, old => 'disabled', new => 'active';
    ok !eval { as($auth, $ben, sub ($dbh) { 1 }); 1 }, 'his session is not good again';
    like $@, qr/PE001/, 'it has ended';
    is_deeply call($ops, 'account_change', id => uuid7(), role => 'USER', %by), [], 'nobody: no row';
    is state_of($ops, sub { call($ops, 'account_change', id => $ben->{id}, role => 'GOD', %by) }), '23514', 'there is no such role';
    is scalar events(), 0, 'no event of these';
    is role_of($ben), 'ADMIN', 'he is what he was made';
    call($ops, 'account_change', id => $ben->{id}, role => 'USER', %by);
    events();
};

subtest 'sessions' => sub {
    my @session = map { uuid7() } 1 .. 3;
    call($auth, 'session_open', session_id => $_, account_id => $ann->{id}, session_terms(), address => '192.0.2.7', user_agent => 'test') for @session;
    events();
    my $list = call($ops, 'session_find', account_id => $ann->{id}, ended => 0);
    is_deeply [map { $_->{id} } @$list], [reverse($ann->{session}, @session)], 'hers, newest first';
    is "$list->[0]{address} $list->[0]{user_agent} $list->[0]{live}", '192.0.2.7 test 1', 'with what is known of them';
    is_deeply call($ops, 'session_revoke', id => $session[0], %by), [{ id => $session[0], account_id => $ann->{id} }], 'one ends';
    event_ok 'one', 'session_expired', 'session', $session[0], cause => 'revoked';
    is_deeply call($ops, 'session_revoke', id => $session[0], %by), [], 'it does so once';
    is scalar events(), 0, 'and no event';
    is_deeply call($ops, 'account_revoke', id => $ann->{id}, %by), [{ sessions => 3, api_keys => 0 }], 'all end';
    event_ok 'all', 'session_expired', 'account', $ann->{id}, cause => 'revoked', sessions => 3, api_keys => 0;
    is scalar call($ops, 'session_find', account_id => $ann->{id}, ended => 0)->@*, 0, 'none is live';
    is scalar call($ops, 'session_find', account_id => $ann->{id}, ended => 1)->@*, 4, 'all are on record';
    ok !eval { $ops->do('update pets.session set revoked_at = null'); 1 } || !$super->selectrow_array('select count(*) from pets.session where account_id = $1 and revoked_at is null', undef, $ann->{id}),
        'none can be brought back';
};

subtest 'what the operator does outside' => sub {
    for my $dbh ($ops, $auth) {
        call($dbh, 'operator_event', action => 'sensitive_create', target_type => 'key', outcome => 'success', subject => 'a kid', %by);
        event_ok 'a key', 'sensitive_create', 'key', '-', subject => 'a kid';
    }
};

subtest 'the last active administrator' => sub {
    is state_of($ops, sub { call($ops, 'account_change', id => $ada->{id}, role  => 'USER',     %by) }), 'PE006', 'is not demoted';
    is state_of($ops, sub { call($ops, 'account_change', id => $ada->{id}, state => 'disabled', %by) }), 'PE006', 'is not disabled';
    is state_of($super, sub { $super->do(q{update pets.account set role = 'USER' where id = $1}, undef, $ada->{id}) }), 'PE006', 'not by a superuser either';
    $super->do('delete from pets.credential where account_id = $1; ' =~ s/\$1/$super->quote($ada->{id})/er . 'delete from pets.session where account_id = ' . $super->quote($ada->{id}));
    is state_of($super, sub { $super->do('delete from pets.account where id = $1', undef, $ada->{id}) }), 'PE006', 'nor deleted';
    call($ops, 'account_change', id => $ben->{id}, role  => 'ADMIN',    %by);
    call($ops, 'account_change', id => $ben->{id}, state => 'disabled', %by);
    is state_of($ops, sub { call($ops, 'account_change', id => $ada->{id}, role => 'USER', %by) }), 'PE006', 'a disabled one does not count';
    call($ops, 'account_change', id => $ben->{id}, state => 'active', %by);
    is state_of($super, sub { $super->do(q{update pets.account set role = 'USER'}) }), 'PE006', 'nor are both at once';
    is role_of($ada) . role_of($ben), 'ADMINADMIN', 'nothing has changed';
    is scalar(grep { ($_->{detail}{new} // '') eq 'USER' && $_->{target_id} eq $ada->{id} } events()), 0, 'and nothing is recorded';
};

subtest 'both at once, each in a transaction' => sub {
    my ($one, $two) = map { $pg->dbh('pets_ops') } 1, 2;
    $_->begin_work for $one, $two;
    call($one, 'account_change', id => $ada->{id}, role => 'USER', %by);
    my $sth = start_call($two, { pg_async => PG_ASYNC }, 'account_change', id => $ben->{id}, state => 'disabled', %by);
    wait_until { $super->selectrow_array(q{select count(*) from pg_locks where locktype = 'advisory' and not granted}) == 1 } 10, 'the second to wait';
    $one->commit;
    ok !eval { $two->pg_result; 1 }, 'the second fails';
    is $two->state, 'PE006', 'as it is about the last';
    $two->rollback;
    is role_of($ada) . ' ' . role_of($ben), 'USER ADMIN', 'one is left';
    call($ops, 'account_change', id => $ada->{id}, role => 'ADMIN', %by);

    # The first changes its mind: then the second may.
    $_->begin_work for $one, $two;
    call($one, 'account_change', id => $ada->{id}, role => 'USER', %by);
    my $other = start_call($two, { pg_async => PG_ASYNC }, 'account_change', id => $ben->{id}, role => 'USER', %by);
    wait_until { $super->selectrow_array(q{select count(*) from pg_locks where locktype = 'advisory' and not granted}) == 1 } 10, 'the second to wait';
    $one->rollback;
    ok eval { $two->pg_result; $two->commit; 1 }, 'the second goes, as the first has stayed' or diag $@;
    is role_of($ada) . ' ' . role_of($ben), 'ADMIN USER', 'one is left';
    $_->disconnect for $one, $two;
};

$_->disconnect for $super, $auth, $ops;
done_testing;
