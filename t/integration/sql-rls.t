# Row-level security as the only line: the program's own conditions are left out, raw SQL is sent as each
# role, and nothing of anybody else's is seen or changed. Also enter(), which is the way to an identity, and
# the record of audit events, which even its owner can only add to.
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(test_dir);
use Pets::Sql qw(call as enter person uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
my ($api, $auth, $ops, $prune) = map { $pg->dbh($_) } qw(pets_api pets_auth pets_ops pets_prune);

my %pet;    # of ann and ben, two each
for my $owner ($ann, $ben) {
    for (1, 2) {
        my ($pet) = as($pg, $owner, sub ($dbh) { call($dbh, 'pet_create', id => uuid7(), own => $owner->{id}, name => "Pet $_", species => 'dog') })->@*;
        push $pet{ $owner->{id} }->@*, $pet->{id};
    }
}

sub column ($dbh, $sql, @values) {
    return [sort $dbh->selectcol_arrayref($sql, undef, @values)->@*];
}

# Tries SQL in a transaction of its own with an identity (or none) and undoes it. Returns the number of
# rows, or the SQLSTATE.
sub try ($dbh, $person, $sql, @values) {
    $dbh->begin_work;
    enter($dbh, $person) if $person;
    my $rows = eval { 0 + $dbh->do($sql, undef, @values) };
    my $state = $@ ? $dbh->state : undef;
    $dbh->rollback;
    return $state // $rows;
}

subtest 'pets and their history' => sub {
    for my $table (['pets.pet', 'id'], ['pets.pet_history', 'pet_id']) {
        my ($name, $key) = @$table;
        my $read = "select $key from $name";
        is_deeply column($api, $read), [], "$name: without an identity nothing is seen";
        for my $person ($ann, $ben) {
            is_deeply as($api, $person, sub ($dbh) { column($dbh, $read) }), [sort $pet{ $person->{id} }->@*], "$name: $person->{email} sees his own";
        }
        is_deeply as($api, $ada, sub ($dbh) { column($dbh, $read) }), [sort map { @$_ } values %pet], "$name: an ADMIN sees all";
        is_deeply column($api, $read), [], "$name: after the transaction nothing is seen";
        is try($_->[0], $_->[1], $read), '42501', "$name: not for $_->[2]" for [$auth, $ann, 'pets_auth'], [$auth, $ada, 'pets_auth as an ADMIN'], [$ops, undef, 'pets_ops'];
    }
};

subtest 'changing the pets of others' => sub {
    my ($own, $foreign) = ($pet{ $ann->{id} }[0], $pet{ $ben->{id} }[0]);
    is try($api, $ann, q{update pets.pet set name = 'x'}),                                 2,       'an update of all changes one\'s own';
    is try($api, $ann, q{update pets.pet set name = 'x' where id = $1}, $foreign),         0,       'a foreign pet is not there to be updated';
    is try($api, $ann, q{update pets.pet set owner_id = $1}, $ben->{id}),                  '42501', 'a pet cannot be given away';
    is try($api, $ann, q{update pets.pet set created_at = now()}),                         '42501', 'nor be made older';
    is try($api, $ann, q{delete from pets.pet where id = $1}, $foreign),                   0,       'a foreign pet is not there to be deleted';
    is try($api, $ann, q{select from pets.pet where id = $1 for update}, $foreign),        0,       'nor to be locked';
    is try($api, undef, q{update pets.pet set name = 'x'}),                                0,       'without an identity nothing is updated';
    is try($api, undef, q{delete from pets.pet}),                                          0,       'nor deleted';
    is try($api, $ada, q{update pets.pet set name = 'x'}),                                 4,       'an ADMIN changes all';
    is try($api, $ada, q{delete from pets.pet}),                                           4,       'and deletes all';
    my $insert = q{insert into pets.pet (id, owner_id, name, species) values ($1, $2, 'x', 'cat')};
    is try($api, $ann,  $insert, uuid7(), $ann->{id}),                                     1,       'one\'s own is inserted';
    is try($api, $ann,  $insert, uuid7(), $ben->{id}),                                     '42501', 'a pet for somebody else is not';
    is try($api, $ada,  $insert, uuid7(), $ben->{id}),                                     '42501', 'not by an ADMIN either';
    is try($api, undef, $insert, uuid7(), $ben->{id}),                                     '42501', 'and not without an identity';
    is try($api, $ann, q{insert into pets.pet (id, owner_id, name, species, version) values ($1, $2, 'x', 'cat', 9)}, uuid7(), $ann->{id}), '42501', 'nobody chooses a version';

    my $history = q{insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, old, new) values ($1, 9, 'update', $2, $3, '{}', '{}')};
    is try($api, $ann, $history, $own, $ann->{id}, $ann->{id}),                            1,       'one\'s own history is written';
    is try($api, $ann, $history, $foreign, $ben->{id}, $ann->{id}),                        '42501', 'not that of a foreign pet';
    is try($api, $ann, $history, $own, $ann->{id}, $ben->{id}),                            '42501', 'not in another\'s name';
    is try($api, $ada, $history, $own, $ann->{id}, $ada->{id}),                            1,       'an ADMIN writes of every pet';
    is try($api, $ada, $history, $own, $ann->{id}, $ann->{id}),                            '42501', 'but in his own name';
    is try($api, $ada, q{update pets.pet_history set version = version + 1}),              '42501', 'history is not rewritten';
    is try($api, $ada, q{delete from pets.pet_history}),                                   '42501', 'nor deleted';
};

subtest 'deleted pets' => sub {
    my $delete = sub ($person) {
        my $id = uuid7();
        as($api, $person, sub ($dbh) { call($dbh, 'pet_create', id => $id, own => $person->{id}, name => 'Gone', species => 'cat'); call($dbh, 'pet_delete', id => $id, own => $person->{id}, restore_days => 30) });
        return $id;
    };
    my ($own, $foreign) = map { $delete->($_) } $ann, $ben;
    my $insert = q{insert into pets.deleted_pet (id, owner_id, name, species, sex, tags, created_at, updated_at, version, gone_at) values ($1, $2, 'x', 'cat', 'male', '{}', now(), now(), 1, now())};
    my $back   = 'select from pets.restore_pet($1)';
    is try($api, $ann,  $insert, uuid7(), $ann->{id}), 1,       'one\'s own is put aside';
    is try($api, $ann,  $insert, uuid7(), $ben->{id}), '42501', 'nobody else\'s';
    is try($api, undef, $insert, uuid7(), $ann->{id}), '42501', 'nor without an identity';
    is try($_->[0], $_->[1], 'select id from pets.deleted_pet'), '42501', "none is seen by $_->[2]" for [$api, $ann, 'pets_api'], [$api, $ada, 'an ADMIN'], [$auth, $ann, 'pets_auth'], [$ops, undef, 'pets_ops'];
    is try($api, $ann,  'delete from pets.deleted_pet'), '42501', 'or removed';
    is try($api, $ann,  $back, $own),     1,       'one\'s own comes back';
    is try($api, $ann,  $back, $foreign), 0,       'nobody else\'s';
    is try($api, undef, $back, $own),     0,       'nor without an identity';
    is try($api, $ada,  $back, $foreign), 1,       'an ADMIN brings back everybody\'s';
    is try($ops, undef, $back, $own),     '42501', 'the operator\'s tool does not';
    is try($api, $ada,  'select pets.prune_deleted_pets(9)'), '42501', 'who brings back does not prune';
    is $super->selectrow_array('select count(*) from pets.deleted_pet'), 2, 'both are there';
};

subtest 'pets that are offered' => sub {
    my $eve    = person($pg, 'eve.offers@example.org');
    my ($own, $foreign) = ($pet{ $ann->{id} }[0], $pet{ $ben->{id} }[0]);
    my ($to_ben, $to_eve) = map { my $to = $_; as($api, $ann, sub ($dbh) { call($dbh, 'transfer_offer', id => uuid7(), pet_id => $pet{ $ann->{id} }[$to == $eve], own => $ann->{id}, days => 7, $to == $eve ? (to_id => $to->{id}) : (to_email => $to->{email}))->[0]{id} }) } $ben, $eve;
    my $read   = 'select id from pets.transfer';
    my $accept = 'select from pets.accept_transfer($1)';
    is_deeply as($api, $_->[0], sub ($dbh) { column($dbh, $read) }), [sort $_->[1]->@*], "$_->[0]{email} sees what is from or to them"
        for [$ann, [$to_ben, $to_eve]], [$ben, [$to_ben]], [$eve, [$to_eve]], [$ada, [$to_ben, $to_eve]];
    is_deeply column($api, $read), [], 'without an identity none is seen';
    is try($_->[0], $_->[1], $read), '42501', "nor by $_->[2]" for [$auth, $ann, 'pets_auth'], [$ops, undef, 'pets_ops'];

    my $insert = q{insert into pets.transfer (id, pet_id, pet_name, pet_species, from_id, from_name, to_id, expires_at) values ($1, $2, 'x', 'dog', $3, 'x', $4, now() + interval '1 d')};
    is try($api, $ann, $insert, uuid7(), $foreign, $ben->{id}, $ann->{id}), '42501', 'nobody offers in another\'s name';
    is try($api, $ada, $insert, uuid7(), $foreign, $ben->{id}, $ada->{id}), '42501', 'an ADMIN neither';
    is try($api, $ann, q{update pets.transfer set to_id = $1}, $ann->{id}),                    '42501', 'whom it is for, stays';
    is try($api, $eve, q{update pets.transfer set state = 'accepted', ended_at = now()}),      '42501', 'acceptance is not just written down';
    is try($api, $eve, q{update pets.transfer set state = 'declined', ended_at = now()}),      1,       'one\'s own offers are ended, and no others';
    is try($api, $ann, q{delete from pets.transfer}),                                          '42501', 'none is deleted';
    is try($api, $ben, q{update pets.pet set owner_id = $1 where id = $2}, $ben->{id}, $own),  '42501', 'nor is the owner just written down';

    is try($api, $_->[0], $accept, $_->[1]), $_->[2], "accept_transfer: $_->[3]"
        for [$ben, $to_ben, 1, 'who it is for'], [$eve, $to_ben, 0, 'nobody else'], [$ann, $to_ben, 0, 'not who offers'], [$ada, $to_ben, 0, 'not an ADMIN'], [undef, $to_ben, 0, 'not without an identity'];
    is try($ops, undef, $accept, $to_ben), '42501', 'not the operator\'s tool';

    # An offer that its maker had no right to: the function does not believe it.
    my $bad = uuid7();
    as($api, $ann, sub ($dbh) { $dbh->do($insert, undef, $bad, $foreign, $ann->{id}, $eve->{id}) });
    my ($done, $owner) = as($api, $eve, sub ($dbh) { $dbh->selectrow_array('select done, (pet).version from pets.accept_transfer($1)', undef, $bad) });
    is_deeply [$done, $owner], [0, undef], 'a pet that is not the offerer\'s does not change hands';
    is $super->selectrow_array('select owner_id from pets.pet where id = $1', undef, $foreign), $ben->{id}, 'it stays where it is';
    for my $function ("pets.own_account()") {
        is_deeply as($api, $ann, sub ($dbh) { [$dbh->selectrow_array("select * from $function")] }), ['ann@example.org', 'The person ann@example.org'], "$function tells one\'s own";
        is_deeply [$api->selectrow_array("select * from $function")], [undef, undef], 'and to nobody nothing';
        is try($auth, $ann, "select * from $function"), '42501', 'nor to another pool';
    }
    $super->do('delete from pets.transfer');
    $super->do("delete from pets.$_ where account_id = \$1", undef, $eve->{id}) for qw(credential session);
    $super->do('delete from pets.account where id = $1', undef, $eve->{id});
};

subtest 'answers that are stored under a key' => sub {
    my $insert = q{insert into pets.idempotency_key (account_id, key, fingerprint, route, status, version, body) values ($1, 'k', sha256('x'), 'POST /', 201, 1, 'b')};
    my $read   = 'select account_id from pets.idempotency_key';
    for my $owner ($ann, $ben) {
        as($api, $owner, sub ($dbh) { $dbh->do($insert, undef, $owner->{id}) });
    }
    is try($api, $ann,  $insert, $ben->{id}),                  '42501', 'nobody stores one for another';
    is try($api, $ada,  $insert, $ben->{id}),                  '42501', 'an ADMIN neither';
    is try($api, undef, $insert, $ben->{id}),                  '42501', 'nor who is nobody';
    for my $person ($ann, $ben) {
        is_deeply as($api, $person, sub ($dbh) { column($dbh, $read) }), [$person->{id}], "$person->{email} sees his own";
    }
    is_deeply as($api, $ada, sub ($dbh) { column($dbh, $read) }), [], 'an ADMIN sees none but his own';
    is_deeply column($api, $read), [],                         'without an identity none is seen';
    is try($_->[0], $_->[1], $read), '42501', "and not by $_->[2]" for [$auth, $ann, 'pets_auth'], [$ops, undef, 'pets_ops'], [$prune, undef, 'pets_prune'];
    is try($api, $ann, q{update pets.idempotency_key set body = 'x'}), 0, 'what is stored is not changed within its day';
    is try($api, $ann, q{delete from pets.idempotency_key}),   '42501', 'nor deleted';
    $super->do(q{update pets.idempotency_key set created_at = now() - interval '24 hours'});
    is try($api, $ann, q{update pets.idempotency_key set body = 'x'}), 1, 'one\'s own may be replaced after it';
    is try($api, $ann, q{update pets.idempotency_key set account_id = $1}, $ben->{id}), '42501', 'but not given away';
    is try($api, $ann, q{insert into pets.idempotency_key (account_id, key, fingerprint, route, status, version, body, created_at) values ($1, 'k2', sha256('x'), 'POST /', 201, 1, 'b', now())}, $ann->{id}), '42501', 'nor does anybody choose the time';
    is try($prune, undef, 'select pets.prune_idempotency_keys(9)'), 1, 'the job prunes';
    is $super->selectrow_array('select count(*) from pets.idempotency_key'), 2, 'nothing that is not 25 hours old';
    is try(@$_, 'select pets.prune_idempotency_keys(9)'), '42501', 'and nobody else' for [$api, $ann], [$auth, $ann], [$ops, undef];
};

subtest 'accounts, credentials and sessions' => sub {
    my %read = map { $_ => "select " . ($_ eq 'credential' ? 'account_id' : 'id') . " from pets.$_" } qw(account credential session);
    for my $table (sort keys %read) {
        is try($api, $_, $read{$table}), '42501', "$table: not for pets_api" for undef, $ann, $ada;
        is try($ops, undef, $read{$table}), $table eq 'credential' ? '42501' : 3, "$table: for pets_ops, but for credentials";
    }
    my $all = [sort map { $_->{id} } $ann, $ben, $ada];
    is_deeply column($auth, $read{account}),    $all, 'account: a login may look for anybody';
    is_deeply column($auth, $read{credential}), $all, 'credential: and check his password';
    is_deeply column($auth, $read{session}),    [],   'session: but sees no session';
    for my $person ($ann, $ben) {
        my $see = sub ($table) { as($auth, $person, sub ($dbh) { column($dbh, $read{$table}) }) };
        is_deeply $see->('account'),    [$person->{id}],      "account: $person->{email} sees his own";
        is_deeply $see->('credential'), [$person->{id}],      "credential: $person->{email} sees his own";
        is_deeply $see->('session'),    [$person->{session}], "session: $person->{email} sees his own";
    }
    my $see = sub ($table) { as($auth, $ada, sub ($dbh) { column($dbh, $read{$table}) }) };
    is_deeply $see->('account'),    $all,        'account: an ADMIN sees all';
    is_deeply $see->('credential'), [$ada->{id}], 'credential: an ADMIN sees his own';
    is_deeply $see->('session'),    [sort map { $_->{session} } $ann, $ben, $ada], 'session: an ADMIN sees all';

    my $account = q{insert into pets.account (id, email, display_name) values ($1, 'eve@example.org', 'Eve')};
    is try($auth, undef, $account, uuid7()),                                                            1,       'an account is opened before login';
    is try($auth, $ann,  $account, uuid7()),                                                            '42501', 'not after it';
    is try($auth, undef, q{insert into pets.account (id, email, display_name, role) values ($1, 'e@e', 'E', 'ADMIN')}, uuid7()), '42501', 'nor with a role';
    is try($auth, $ann,  q{update pets.account set role = 'ADMIN'}),                                    '42501', 'nobody promotes himself';
    is try($auth, undef, q{update pets.account set role = 'ADMIN'}),                                    '42501', 'nor is promoted before login';
    is try($auth, $ada,  q{update pets.account set display_name = display_name where id = $1}, $ann->{id}), 1,   'an ADMIN changes another';
    is try($auth, $ada,  q{update pets.account set email = 'x@example.org' where id = $1}, $ann->{id}), '42501', 'but not the address';
    is try($auth, undef, q{insert into pets.credential (account_id, hash, pepper_id) values ($1, 'h', 'p')}, $ann->{id}), '23514', 'a credential is written before login (this one is too short)';
    is try($auth, $ben,  q{insert into pets.credential (account_id, hash, pepper_id) values ($1, 'h', 'p')}, $ann->{id}), '42501', 'not after it';
    is try($auth, $ada,  q{update pets.credential set hash = 'x' || substr(hash, 2)}),                  1,       'one\'s own credential is changed';
    is try($auth, $ada,  q{update pets.credential set hash = 'x' || substr(hash, 2) where account_id = $1}, $ann->{id}), 0, 'a foreign one is not there, for an ADMIN neither';
    is try($auth, undef, q{update pets.credential set hash = 'x' || substr(hash, 2)}),                  '42501', 'and none without an identity';
    is try($auth, $ada,  q{update pets.credential set account_id = $1}, $ann->{id}),                    '42501', 'nor is one given away';
    is try($auth, $ann,  q{update pets.session set revoked_at = now()}),                                1,       'one\'s own session is revoked';
    is try($auth, $ann,  q{update pets.session set revoked_at = now() where account_id = $1}, $ben->{id}), 0,    'a foreign one is not there';
    is try($auth, undef, q{update pets.session set revoked_at = now()}),                                0,       'and none without an identity';
    is try($auth, $ann,  q{update pets.session set expires_at = now() + interval '1 year'}),            '42501', 'no session is made longer';
    is try($auth, $ann,  q{insert into pets.session (id, account_id, refresh_hash, expires_at, ends_at) values ($1, $2, sha256('x'), now() + interval '1 h', now() + interval '1 d')}, uuid7(), $ben->{id}), '42501', 'no session is opened for another';
    is try($ops, undef,  q{insert into pets.session (id, account_id, refresh_hash, expires_at, ends_at) values ($1, $2, sha256('x'), now() + interval '1 h', now() + interval '1 d')}, uuid7(), $ben->{id}), '42501', 'pets_ops opens none';
    is try($ops, undef, q{update pets.session set revoked_at = now()}),                                 3,       'it ends them';
    is try($ops, undef, q{update pets.session set revoked_at = null}),                                  '42501', 'and does nothing else to them';
    is try($ops, undef, q{update pets.account set email = 'x@example.org'}),                            '42501', 'nor gives an account another address';
    is try($ops, undef, q{update pets.credential set hash = 'x'}),                                      '42501', 'nor another password';
};

subtest 'the owner' => sub {
    $super->do('set role pets_owner');
    for my $table (qw(pet pet_history credential audit_event)) {
        is $super->selectrow_array("select count(*) from pets.$table"), 0, "sees no $table";
    }
    is $super->selectrow_array("select count(*) from pets.$_"), 3, "sees every $_, which enter needs" for qw(account session);
    is 0 + $super->do('update pets.account set display_name = display_name'), 0, 'but changes none';
    is 0 + $super->do('delete from pets.pet'), 0, 'and deletes no pet';
    $super->do('reset role');
};

subtest 'enter' => sub {
    my $enter = sub ($dbh, $session, $account, $need = undef, $mfa = 0, $age = undef) {
        my $role = eval {
            call($dbh, 'enter', session_id => $session, account_id => $account, need_role => $need, need_mfa => $mfa, max_age_s => $age)->[0]{role};
        };
        return $role // $dbh->state;
    };
    is $enter->($api, $ann->{session}, $ann->{id}),            'USER',  'a USER enters';
    is $enter->($auth, $ada->{session}, $ada->{id}),           'ADMIN', 'an ADMIN enters';
    is $enter->($api, $ada->{session}, $ada->{id}, 'ADMIN'),   'ADMIN', 'an ADMIN where one is needed';
    is $enter->($api, $ann->{session}, $ann->{id}, 'ADMIN'),   'PE003', 'a USER where an ADMIN is needed';
    is $enter->($api, $ann->{session}, $ben->{id}),            'PE001', 'another\'s session';
    is $enter->($api, uuid7(), $ann->{id}),                    'PE001', 'no such session';
    is $enter->($api, $ann->{session}, uuid7()),               'PE001', 'no such account';
    is $enter->($api, undef, $ann->{id}),                      'PE001', 'no session at all';
    is $enter->($api, $ann->{session}, undef),                 'PE001', 'nobody at all';
    is $enter->($ops, $ann->{session}, $ann->{id}),            '42501', 'pets_ops has no use for it';

    is $enter->($api, $ada->{session}, $ada->{id}, undef, 1),   'USER',  'an ADMIN without the second factor is a USER';
    is $enter->($api, $ada->{session}, $ada->{id}, 'ADMIN', 1), 'PE004', 'and is told so where an ADMIN is needed';
    is $enter->($api, $ann->{session}, $ann->{id}, 'ADMIN', 1), 'PE003', 'a USER is told the same as ever';
    is $enter->($api, $ada->{session}, $ada->{id}, undef, 0, 60), 'ADMIN', 'a proof of identity that is young enough';
    $super->do(q{update pets.session set mfa = true, authenticated_at = now() - interval '61 s' where id = $1}, undef, $ada->{session});
    is $enter->($api, $ada->{session}, $ada->{id}, 'ADMIN', 1), 'ADMIN', 'an ADMIN with the second factor';
    is $enter->($api, $ada->{session}, $ada->{id}, undef, 0, 60), 'PE005', 'a proof of identity that is too old';
    is $enter->($api, $ada->{session}, $ada->{id}, undef, 0, 90), 'ADMIN', 'or not';

    my $changed = sub ($sql, $undo, $what) {
        $super->do($sql, undef, $ann->{id});
        is $enter->($api, $ann->{session}, $ann->{id}), 'PE001', $what;
        $super->do($undo, undef, $ann->{id});
        is $enter->($api, $ann->{session}, $ann->{id}), 'USER', "$what: and undone";
    };
    $changed->(q{update pets.account set state = 'disabled' where id = $1}, q{update pets.account set state = 'active' where id = $1}, 'a disabled account');
    $changed->('update pets.session set revoked_at = now() where account_id = $1', 'update pets.session set revoked_at = null where account_id = $1', 'a revoked session');
    $changed->(q{update pets.session set created_at = now() - interval '2 h', expires_at = now() - interval '1 s' where account_id = $1},
        q{update pets.session set expires_at = now() + interval '1 h' where account_id = $1}, 'an expired session');

    is_deeply $api->selectrow_arrayref(q{select nullif(current_setting('pets.user_id', true), ''), nullif(current_setting('pets.role', true), '')}), [undef, undef],
        'an identity ends with its transaction';
    $api->begin_work;
    enter($api, $ann);
    eval { enter($api, { id => $ben->{id}, session => $ann->{session} }) };
    eval { $api->selectrow_array('select count(*) from pets.pet') };
    is $api->state, '25P02', 'what follows a failed enter does not run';
    $api->rollback;
    $super->do(q{create temporary table session (id uuid, account_id uuid, revoked_at timestamptz, expires_at timestamptz)});
    is $super->selectrow_array(q{select has_database_privilege('pets_api', current_database(), 'temporary')}), 0, 'a pool cannot make temporary tables';
};

subtest 'the record of audit events' => sub {
    my $insert = q{insert into pets.audit_event (actor_id, action, outcome) values ($1, 'authz_admin', 'success')};
    is try($api, $ann, $insert, $ann->{id}),  1,       'pets_api signs with its identity';
    is try($api, $ann, $insert, $ben->{id}),  '42501', 'not with another\'s';
    is try($api, $ada, $insert, $ann->{id}),  '42501', 'not as an ADMIN';
    is try($api, $ann, $insert, undef),       '42501', 'not with nobody\'s';
    is try($api, undef, $insert, $ann->{id}), '42501', 'and not without one';
    is try($auth, undef, $insert, $ann->{id}), 1,      'pets_auth writes of a login';
    is try($auth, $ann, $insert, $ben->{id}), '42501', 'after it only of the one who is there';
    is try($ops, undef, $insert, undef),      1,       'pets_ops signs with nobody';
    is try($ops, undef, $insert, $ann->{id}), '42501', 'and not with anybody';
    is try($api, $ann, q{insert into pets.audit_event (id, actor_id, action, outcome) overriding system value values (1, $1, 'x', 'success')}, $ann->{id}), '42501', 'nobody chooses the id';
    is try($api, $ann, q{insert into pets.audit_event (at, actor_id, action, outcome) values (now(), $1, 'x', 'success')}, $ann->{id}), '42501', 'or the time';

    my $count = $super->selectrow_array('select count(*) from pets.audit_event');
    cmp_ok $count, '>', 0, 'there is something in it';
    my @deeds = ('update pets.audit_event set action = action', 'update pets.audit_event set action = action where false', 'delete from pets.audit_event', 'truncate pets.audit_event');
    for my $who ('superuser', 'pets_owner') {
        for my $deed (@deeds, "set session_replication_role = replica; $deeds[2]") {
            next if $who ne 'superuser' && $deed =~ /replica/;
            $super->begin_work;
            $super->do("set local role $who") if $who ne 'superuser';
            eval { $super->do($deed) };
            is $super->state, '42501', "$who: $deed";
            like $@, qr/append-only/, "$who is told why" if $who ne 'superuser' || $deed !~ /replica/;
            $super->rollback;
        }
    }
    for my $deed (@deeds, 'select count(*) from pets.audit_event') {
        is try($_->[0], $_->[1], $deed), '42501', "$_->[2]: $deed" for [$api, $ada, 'pets_api'], [$auth, $ada, 'pets_auth'], [$ops, undef, 'pets_ops'];
    }
    is $super->selectrow_array('select count(*) from pets.audit_event'), $count, 'all of it is still there';
};

subtest 'checks of the tables' => sub {
    my $insert = sub (%field) {
        my %row = (id => uuid7(), owner_id => $ann->{id}, name => 'Rex', species => 'dog', %field);
        my @columns = sort keys %row;
        return try($api, $ann, 'insert into pets.pet (' . join(', ', @columns) . ') values (' . join(', ', map { "\$$_" } 1 .. @columns) . ')', @row{@columns});
    };
    my ($wide, $wider) = ("\x{1F415}" x 80, "\x{1F415}" x 81);
    my $shown = sub (%field) { join ' ', map { ref ? 'a list' : substr s/[^ -~]/?/gr, 0, 20 } %field };
    is $insert->(%$_), 1, 'accepted: ' . $shown->(%$_) for { name => $wide }, { breed => $wide }, { sex => 'female' }, { born_on => '2020-02-29' },
        { weight_grams => 1 }, { weight_grams => 2_000_000 }, { microchip => '900000000000001' }, { notes => '' }, { notes => 'n' x 2000 }, { tags => [('t' x 32) x 16] }, { tags => [] };
    is $insert->(%$_), '23514', 'refused: ' . $shown->(%$_) for { name => '' }, { name => $wider }, { species => 'dragon' }, { breed => '' }, { breed => $wider },
        { sex => 'x' }, { born_on => '9999-01-01' }, { born_on => '0001-01-01 BC' }, { born_on => 'infinity' }, { weight_grams => 0 }, { weight_grams => 2_000_001 },
        { microchip => '12345678901234' }, { microchip => '1234567890123456' }, { microchip => "12345678901234\x{0661}" }, { microchip => "123456789012345\n" }, { notes => 'n' x 2001 },
        { tags => [('t') x 17] }, { tags => [''] }, { tags => ['t' x 33] }, { tags => [['a'], ['b']] };
    is $insert->(tags => [undef]), '23502', 'refused: a tag that is null';
    is $insert->(tags => undef), '23502', 'refused: tags that are null';
};

done_testing;
