# The outbox: who may put a message in, and who may take it out; that two senders never take the same; and what is
# left of a message that was sent, given up or came too late: nothing about a person.
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(test_dir wait_until);
use Pets::Sql qw(call start_call as person uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my ($api, $auth, $ops, $mail) = map { $pg->dbh($_) } qw(pets_api pets_auth pets_ops pets_mail);
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));

sub put ($dbh = $auth, %column) {
    %column = (id => uuid7(), kind => 'reset_password', account_id => $ann->{id}, recipient => 'ann@example.org', link_id => uuid7(), address => '192.0.2.7', %column);
    my @names = sort keys %column;
    $dbh->do('insert into pets.mail_outbox (' . join(', ', @names) . ') values (' . join(', ', ('?') x @names) . ')', undef, @column{@names});
    return $column{id};
}

sub state_of ($code) { return eval { $code->(); 1 } ? 'no error' : ($@ =~ /^SQLSTATE (\w+)/)[0] // $@ =~ s/ at .*//sr }
sub row ($id) { return $super->selectrow_hashref('select *, extract(epoch from not_before - now())::int as pause from pets.mail_outbox where id = ?', undef, $id) }
sub claim (%argument) { return call($mail, 'mail_claim', lease_s => 300, %argument) }
sub failed ($message, %argument) {
    return call($mail, 'mail_failed', id => $message->{id}, attempt => $message->{attempt}, error => 'no', retry_s => 60, attempts_max => 5, %argument);
}

# What would tell something about a person.
sub left ($id) {
    my $row = row($id);
    return join ' ', grep { defined $row->{$_} } qw(recipient link_id address);
}

subtest 'who may put one in' => sub {
    is state_of(sub { put() }), 'no error', 'the auth pool, before login';
    is state_of(sub { as($auth, $ann, sub ($dbh) { put($dbh) }) }), 'no error', 'after it for the person\'s own account';
    is state_of(sub { as($auth, $ben, sub ($dbh) { put($dbh) }) }), '42501', 'not for another\'s';
    is state_of(sub { as($auth, $ada, sub ($dbh) { put($dbh) }) }), 'no error', 'an ADMIN for anybody\'s';
    for my $case (['failed_at', 'now()'], ['not_before', 'now()'], ['attempts', '0'], ['created_at', 'now()'], ['last_error', q{''}]) {
        like state_of(sub { $auth->do("insert into pets.mail_outbox (id, kind, recipient, $case->[0]) values (?, 'reset_password', 'a\@b.example', $case->[1])", undef, uuid7()) }),
            qr/permission denied/, "$case->[0] is not chosen";
    }
    like state_of(sub { put($auth, kind => 'chain_letter') }), qr/mail_outbox_kind_known/, 'no other kind';
    like state_of(sub { put($auth, recipient => 'x' x 255) }), qr/mail_outbox_recipient_size/, 'no address that is too long';
    like state_of(sub { put($auth, recipient => undef) }), qr/mail_outbox_emptied/, 'nor none';
    for my $deed ('select count(*) from pets.mail_outbox', 'update pets.mail_outbox set recipient = recipient', 'delete from pets.mail_outbox') {
        like state_of(sub { $_->[0]->do($deed) }), qr/permission denied/, "$_->[1]: $deed" for [$auth, 'pets_auth'], [$api, 'pets_api'], [$ops, 'pets_ops'];
    }
    for my $deed ('delete from pets.mail_outbox', 'select account_id from pets.mail_outbox', 'select last_error from pets.mail_outbox', q{update pets.mail_outbox set kind = 'x'},
        'select count(*) from pets.account', 'select count(*) from pets.session', 'select count(*) from pets.credential', 'select count(*) from pets.audit_event',
        'select count(*) from pets.pet', q{insert into pets.audit_event (action, outcome) values ('x', 'success')}) {
        like state_of(sub { $mail->do($deed) }), qr/permission denied/, "pets_mail: $deed";
    }
    like state_of(sub { put($mail) }), qr/permission denied/, 'pets_mail puts none in';
    $super->do('delete from pets.mail_outbox');
};

subtest 'taking' => sub {
    is_deeply claim(), [], 'nothing is due';
    my @ids = map { put() } 1 .. 3;
    my ($message) = claim()->@*;
    delete @$message{qw(created_at link_id)};
    is_deeply $message, { id => $ids[0], kind => 'reset_password', recipient => 'ann@example.org', address => '192.0.2.7', expires_at => undef, attempt => 1 }, 'the oldest, and what is in it';
    is row($ids[0])->{pause}, 300, 'for five minutes';
    is claim()->[0]{id}, $ids[1], 'then the next';

    my $other = $pg->dbh('pets_mail');
    $other->begin_work;
    is call($other, 'mail_claim', lease_s => 300)->[0]{id}, $ids[2], 'a second sender takes the third';
    is_deeply claim(), [], 'the first does not wait for it';
    $other->rollback;
    is claim()->[0]{id}, $ids[2], 'when the second gives up the first has it';
    is_deeply call($mail, 'mail_sent', id => $ids[0], attempt => 2), [], 'nobody marks what he has not taken';
    is_deeply call($mail, 'mail_sent', id => $ids[0], attempt => 1), [{ id => $ids[0] }], 'sent';
    is left($ids[0]), '', 'nothing is left in it';
    ok defined row($ids[0])->{sent_at}, 'but when';
    is_deeply call($mail, 'mail_sent', id => $ids[0], attempt => 1), [], 'it is sent once';

    $super->do(q{update pets.mail_outbox set not_before = now() - interval '1 s' where id = ?}, undef, $ids[1]);
    is claim()->[0]{attempt}, 2, 'a lease that is over is another\'s';
    is_deeply call($mail, 'mail_sent', id => $ids[1], attempt => 1), [], 'and he who had it before has lost it';
    is_deeply failed({ id => $ids[1], attempt => 1 }), [], 'whatever came of it';
    $super->do('delete from pets.mail_outbox');
};

subtest 'senders at the same time' => sub {
    my $count = 200;
    put() for 1 .. $count;
    my @dbh = map { $pg->dbh('pets_mail') } 1 .. 4;
    my %taken;
    my $rounds = 0;
    while (1) {
        my @sth = map { start_call($_, { pg_async => 1 }, 'mail_claim', lease_s => 300) } @dbh;
        my $got = 0;
        for my $n (0 .. $#dbh) {
            $dbh[$n]->pg_result;
            $taken{ $_->{id} }++, $got++ for $sth[$n]->fetchall_arrayref({})->@*;
        }
        last if !$got || ++$rounds > 10 * $count;
    }
    is scalar keys %taken, $count, "$count messages are taken";
    is_deeply [grep { $taken{$_} != 1 } keys %taken], [], 'each by one of four';
    $super->do('delete from pets.mail_outbox');
};

subtest 'failing' => sub {
    my $id = put();
    my @pauses;
    for my $attempt (1 .. 5) {
        $super->do('update pets.mail_outbox set not_before = now() where id = ?', undef, $id);
        my ($message) = claim()->@*;
        is $message->{attempt}, $attempt, "attempt $attempt";
        my ($said) = failed($message, error => 'x' x 1000)->@*;
        is $said->{given_up}, $attempt == 5 ? 1 : 0, $attempt == 5 ? 'given up' : 'to be tried again';
        push @pauses, row($id)->{pause};
    }
    is_deeply [@pauses[0 .. 3]], [60, 120, 240, 480], 'the pause doubles';
    is length row($id)->{last_error}, 256, 'the reason is kept, cut to a line';
    is left($id), '', 'nothing else is';
    ok defined row($id)->{failed_at}, 'it has failed';
    is_deeply claim(), [], 'and is not taken again';

    $id = put();
    is_deeply failed(claim()->[0], retry_s => 3600, attempts_max => 100), [{ given_up => 0 }], 'a long pause';
    $super->do('update pets.mail_outbox set not_before = now(), attempts = 40 where id = ?', undef, $id);
    failed(claim()->[0], retry_s => 3600, attempts_max => 100);
    is row($id)->{pause}, 3600, 'is an hour at most';
    $super->do('update pets.mail_outbox set not_before = now(), attempts = 0 where id = ?', undef, $id);
    is_deeply failed(claim()->[0], attempts_max => 0), [{ given_up => 1 }], 'one that cannot be delivered is given up at once';
    is left($id), '', 'and forgotten';
};

subtest 'too late' => sub {
    my @ids = map { put($auth, expires_at => "2026-01-0$_") } 1 .. 2;
    my $live = put($auth, expires_at => '2999-01-01');
    is claim()->[0]{id}, $live, 'what is over is not taken';
    is_deeply [sort map { $_->{id} } call($mail, 'mail_expire')->@*], [sort @ids], 'it is given up';
    is_deeply [map { left($_) } @ids], ['', ''], 'and forgotten';
    is row($ids[0])->{last_error}, 'expired', 'with the reason';
    is_deeply call($mail, 'mail_expire'), [], 'once';
    isnt left($live), '', 'the other one is still in hand';
};

done_testing;
