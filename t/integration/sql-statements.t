# What each statement answers and what it leaves behind: rows, history and audit events are counted exactly;
# and of writers at the same time with the same expectation exactly one wins.
use v5.36;
use Test::More;
use JSON::PP ();
use Pets::Cluster;
use Pets::Env qw(test_dir wait_until);
use Pets::Sql qw(call start_call as enter person session_terms uuid7);

my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg')->start;
my $super = $pg->dbh;
my ($api, $auth, $ops, $prune) = map { $pg->dbh($_) } qw(pets_api pets_auth pets_ops pets_prune);
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));
my @pet_columns = qw(id owner_id name species breed sex born_on weight_grams microchip notes tags created_at updated_at version);
my %bit = (name => 1, species => 2, breed => 4, sex => 8, born_on => 16, weight_grams => 32, microchip => 64, notes => 128, tags => 256);
my $number = 0;

# A statement in a transaction with an identity; own and request_id are given along.
sub ask ($person, $name, %argument) {
    return as($api, $person, sub ($dbh) { call($dbh, $name, own => $person->{id}, request_id => sprintf('%032d', ++$number), address => '192.0.2.7', $name eq 'pet_delete' ? (restore_days => 30) : (), %argument) });
}

sub create ($person, %field) {
    return ask($person, 'pet_create', id => uuid7(), name => 'Rex', species => 'dog', %field)->[0];
}

sub update ($person, $id, $if_versions, %field) {
    my $mask = 0;
    $mask |= $bit{$_} for keys %field;
    return ask($person, 'pet_update', id => $id, if_versions => $if_versions, mask => $mask, %field);
}

# The audit events since the last look, as "action outcome actor target".
sub events () {
    state $last = 0;
    my $rows = $super->selectall_arrayref('select id, action, outcome, actor_id, target_type, target_id, request_id, address, detail from pets.audit_event where id > $1 order by id', { Slice => {} }, $last);
    $last = $rows->[-1]{id} if @$rows;
    return [map { join ' ', map { $_ // '-' } @$_{qw(action outcome actor_id target_type target_id)} } @$rows] if !wantarray;
    return @$rows;
}

sub history ($id) {
    return $super->selectall_arrayref('select version, action, owner_id, actor_id, old, new from pets.pet_history where pet_id = $1 order by version', { Slice => {} }, $id);
}

sub state_of ($code) {
    return 'no error' if eval { $code->(); 1 };
    return ($@ =~ /^SQLSTATE (\w+)/)[0] // $@;
}

sub json ($text) { return defined $text ? JSON::PP->new->decode($text) : undef }

events();

subtest 'ready' => sub {
    is_deeply call($_, 'ready'), [{ schema_version => 1 }], 'says the version of the schema' for $api, $auth;
};

subtest 'account_register and account_me' => sub {
    my %new = (id => uuid7(), email => 'Eve@Example.org', display_name => 'Eve', hash => '$2b$12$' . 'e' x 53, pepper_id => 'p2', request_id => 'r1', address => '2001:db8::1');
    my ($account) = call($auth, 'account_register', %new)->@*;
    my $times = [delete @$account{qw(created_at updated_at)}];
    is_deeply $account, { id => $new{id}, email => 'Eve@Example.org', display_name => 'Eve', role => 'USER', state => 'active', version => 1 }, 'a new account is a USER\'s';
    is $times->[0], $times->[1], 'created and updated at once';
    my ($event) = events();
    is_deeply { %$event{qw(action outcome actor_id target_type target_id request_id address detail)} },
        { action => 'user_created', outcome => 'success', actor_id => $new{id}, target_type => 'account', target_id => $new{id}, request_id => 'r1', address => '2001:db8::1', detail => undef }, 'one event';

    is_deeply call($auth, 'account_register', %new, id => uuid7(), email => 'eVE@eXAMPLE.ORG'), [], 'the address is taken, whatever its case';
    is_deeply scalar(events()), [], 'no event';
    my %free = map { $_ => undef } qw(refused retry_s remaining reset_s receipt);    # without limits
    is_deeply call($auth, 'login_lookup', email => 'EVE@example.ORG'), [{ account_id => $new{id}, state => 'active', role => 'USER', hash => $new{hash}, pepper_id => 'p2', generation => 1, second_factor => 0, %free }], 'a login finds it, whatever the case';
    is_deeply call($auth, 'login_lookup', email => 'nobody@example.org'), [{ (map { $_ => undef } qw(account_id state role hash pepper_id generation)), second_factor => 0, %free }], 'and nobody else';

    my ($me) = as($auth, $ann, sub ($dbh) { call($dbh, 'account_me', own => $ann->{id}) })->@*;
    is $me->{email}, 'ann@example.org', 'account_me is one\'s own';
    is_deeply as($auth, $ann, sub ($dbh) { call($dbh, 'account_me', own => $ben->{id}) }), [], 'and nobody else\'s';
};

subtest 'account_add' => sub {
    my $id = uuid7();
    my ($account) = call($ops, 'account_add', id => $id, email => 'root@example.org', display_name => 'Root', role => 'ADMIN', hash => '$2b$12$' . 'r' x 53, pepper_id => 'p1', operator => 'alice', reason => 'first of all')->@*;
    my $real = $super->selectrow_hashref('select id, email, display_name, role, state, created_at, updated_at, version from pets.account where id = $1', undef, $id);
    $_->{created_at} =~ s/[+]\d\d\z//, $_->{updated_at} =~ s/[+]\d\d\z// for $account, $real;
    is_deeply $account, $real, 'it answers what was added';
    my ($event) = events();
    is $event->{actor_id}, undef, 'nobody of the accounts did it';
    is_deeply json($event->{detail}), { operator => 'alice', reason => 'first of all', role => 'ADMIN' }, 'but an operator, and why';
    is_deeply call($ops, 'account_add', id => uuid7(), email => 'Root@example.org', display_name => 'Root', role => 'USER', hash => '$2b$12$' . 'r' x 53, pepper_id => 'p1'), [], 'the address is taken';
    is_deeply scalar(events()), [], 'no event';
    eval { call($ops, 'account_add', id => uuid7(), email => 'x@example.org', display_name => 'X', role => 'GOD', hash => '$2b$12$' . 'r' x 53, pepper_id => 'p1') };
    is $ops->state, '23514', 'there is no such role';
};

subtest 'sessions' => sub {
    my $session = uuid7();
    my ($times) = call($auth, 'session_open', session_id => $session, account_id => $ben->{id}, session_terms(), address => '192.0.2.9', user_agent => 'u' x 1000, request_id => 'r2')->@*;
    is $times->{expires_in}, 3600, 'opens, and says for how long';
    is $super->selectrow_array('select extract(epoch from expires_at - created_at)::int from pets.session where id = $1', undef, $session), 3600, 'for as long as was asked';
    is $super->selectrow_array('select length(user_agent) from pets.session where id = $1', undef, $session), 256, 'a long user agent is cut';
    is_deeply scalar(events()), ["authn_login_success success $ben->{id} session $session"], 'one event';
    $super->do(q{update pets.account set state = 'disabled' where id = $1}, undef, $ben->{id});
    is_deeply call($auth, 'session_open', session_id => uuid7(), account_id => $ben->{id}, session_terms()), [], 'none for a disabled account';
    $super->do(q{update pets.account set state = 'active' where id = $1}, undef, $ben->{id});
    is_deeply call($auth, 'session_open', session_id => uuid7(), account_id => uuid7(), session_terms()), [], 'none for nobody';
    is_deeply scalar(events()), [], 'and no events';

    call($auth, 'login_failed', account_id => $ben->{id}, reason => 'password', request_id => 'r3', address => '192.0.2.9');
    call($auth, 'login_failed', reason => 'unknown');
    is_deeply scalar(events()), ["authn_login_fail failure $ben->{id} account $ben->{id}", 'authn_login_fail failure - account -'], 'failures are recorded';

    my $close = sub ($person, $id) { as($auth, $person, sub ($dbh) { call($dbh, 'session_close', own => $person->{id}, session_id => $id, scope => 'this', cause => 'logout', request_id => 'r4') }) };
    is_deeply $close->($ann, $session), [], 'another\'s session is not closed';
    is $close->({ id => $ben->{id}, session => $session }, $session)->[0]{id}, $session, 'one\'s own is';
    is state_of(sub { $close->({ id => $ben->{id}, session => $session }, $session) }), 'PE001', 'and then no longer enters';
    is_deeply scalar(events()), ["session_expired success $ben->{id} session $session"], 'one event';
    is_deeply $close->($ben, $session), [], 'it is closed once';
};

subtest 'audit_refusal' => sub {
    my ($session, $key, $pet) = (uuid7(), uuid7(), uuid7());
    my $hash = '\\x' . 'ab' x 32;
    call($auth, 'session_open', session_id => $session, account_id => $ben->{id}, session_terms());
    as($auth, { id => $ben->{id}, session => $session }, sub ($dbh) { call($dbh, 'api_key_create', id => $key, own => $ben->{id}, session_id => $session, name => 'k', scopes => '{pets:read}', key_hash => $hash, days => 1) });
    events();
    my %asked = (account_id => $ben->{id}, session_id => $session, reason => 'forbidden', route => 'GET /v1/users', request_id => 'r5', address => '192.0.2.9');
    for my $dbh ($api, $auth) {
        is_deeply call($dbh, 'audit_refusal', %asked, target_type => 'pet', target_id => $pet), [{ recorded => 1 }], 'recorded';
        my ($event) = events();
        is join(' ', @$event{qw(action outcome actor_id target_type target_id request_id address)}), "authz_fail failure $ben->{id} pet $pet r5 192.0.2.9", 'who wanted what';
        is_deeply json($event->{detail}), { reason => 'forbidden', route => 'GET /v1/users' }, 'and why he may not';
    }
    is_deeply call($api, 'audit_refusal', %asked, reason => 'session_ended'), [{ recorded => 1 }], 'a session that is over';
    is_deeply scalar(events()), ["session_use_after_expire failure $ben->{id} session $session"], 'is what it is about';
    is_deeply call($api, 'audit_refusal', %asked, session_id => $key, key_hash => $hash, reason => 'insufficient_scope'), [{ recorded => 1 }], 'a key';
    is $super->selectrow_array(q{select api_key_id from pets.audit_event where action = 'authz_fail' order by id desc limit 1}), $key, 'is recorded with its id';
    events();
    for my $lie ({ account_id => $ann->{id} }, { session_id => uuid7() }, { session_id => $key }, { session_id => $key, key_hash => '\\x' . 'ac' x 32 }, { session_id => $key, key_hash => $hash, account_id => $ann->{id} }) {
        is_deeply call($api, 'audit_refusal', %asked, %$lie), [{ recorded => 0 }], join(', ', sort keys %$lie) . ' of another';
    }
    is_deeply scalar(events()), [], 'nothing is recorded of whoever it was not';
};

subtest 'credential_rehash' => sub {
    my $now  = sub { $super->selectrow_arrayref('select hash, pepper_id, updated_at::text from pets.credential where account_id = $1', undef, $ben->{id}) };
    my ($hash, $pepper, $changed) = $now->()->@*;
    my %new = (account_id => $ben->{id}, old_hash => $hash, hash => '$2b$13$' . 'n' x 53, pepper_id => 'p9');
    is_deeply call($auth, 'credential_rehash', %new, old_hash => '$2b$12$' . 'o' x 53), [{ account_id => undef }], 'another hash is there: nothing is done';
    is_deeply as($auth, $ann, sub ($dbh) { call($dbh, 'credential_rehash', %new) }), [{ account_id => undef }], 'nor with the identity of somebody else';
    is_deeply $now->(), [$hash, $pepper, $changed], 'it is as it was';
    is_deeply call($auth, 'credential_rehash', %new), [{ account_id => $ben->{id} }], 'the hash is replaced';
    is_deeply $now->(), [$new{hash}, 'p9', $changed], 'which is no change of password';
    is_deeply call($auth, 'credential_rehash', %new, hash => '$2b$13$' . 'm' x 53), [{ account_id => undef }], 'and not twice';
    is_deeply scalar(events()), [], 'no event';
};

subtest 'pet_create and pet_get' => sub {
    my %field = (name => "R\x{e9}x", species => 'cat', breed => 'none', sex => 'female', born_on => '2020-02-29', weight_grams => 4200, microchip => '900000000000007', notes => "a\n\"b\"", tags => ['a b', 'c,"d"']);
    my $pet = create($ann, %field);
    is_deeply { %$pet{keys %field} }, \%field, 'fields come back as they were given';
    is_deeply [@$pet{qw(owner_id version)}], [$ann->{id}, 1], 'the owner is the caller, the version 1';
    is $pet->{created_at}, $pet->{updated_at}, 'created and updated at once';
    is_deeply scalar(events()), ["pet_created success $ann->{id} pet $pet->{id}"], 'one event';
    my $history = history($pet->{id});
    is_deeply [map { json($_) } delete @{ $history->[0] }{qw(old new)}], [undef, \%field], 'its history says what it was made of';
    is_deeply $history, [{ version => 1, action => 'create', owner_id => $ann->{id}, actor_id => $ann->{id} }], 'one row';
    my $plain = create($ann);
    is_deeply [@$plain{qw(breed sex born_on weight_grams microchip notes tags)}], [undef, 'unknown', undef, undef, undef, undef, []], 'what is not given is null or its default';
    events();

    is_deeply ask($ann, 'pet_get', id => $pet->{id}), [$pet], 'the owner reads it';
    is_deeply ask($ben, 'pet_get', id => $pet->{id}), [], 'another USER does not';
    is_deeply ask($ann, 'pet_get', id => uuid7()), [], 'nor what is not there';
    is_deeply scalar(events()), [], 'without an event';
    is_deeply ask($ada, 'pet_get', id => $pet->{id}), [$pet], 'an ADMIN reads it';
    is_deeply scalar(events()), ["authz_admin success $ada->{id} pet $pet->{id}"], 'which is an event';
    my $own = create($ada);
    events();
    is_deeply ask($ada, 'pet_get', id => $own->{id}), [$own], 'an ADMIN reads his own';
    is_deeply scalar(events()), [], 'which is none';

    is state_of(sub { create($ben, microchip => $field{microchip}) }), '23505', 'a chip is in one pet only';
    is state_of(sub { update($ann, $plain->{id}, undef, microchip => $field{microchip}) }), '23505', 'also by an update';
    is state_of(sub { create($ben, id => $pet->{id}) }), '23505', 'a key is used once';
    is_deeply scalar(events()), [], 'and what fails leaves nothing';
    is scalar history($plain->{id})->@*, 1, 'in the history either';
};

subtest 'pet_update' => sub {
    my $pet = create($ann, breed => 'mix', tags => ['a'], notes => 'n');
    events();
    my ($now) = update($ann, $pet->{id}, undef, name => 'Max')->@*;
    is $now->{matched}, 1, 'no expectation matches';
    is_deeply { %$now{@pet_columns} }, { %$pet, name => 'Max', version => 2, updated_at => $now->{updated_at} }, 'only what is in the mask changes, and the version';
    cmp_ok $now->{updated_at}, 'gt', $pet->{updated_at}, 'and the time';
    is_deeply scalar(events()), ["pet_updated success $ann->{id} pet $pet->{id}"], 'one event';

    my %all = (name => 'Tom', species => 'cat', breed => undef, sex => 'male', born_on => '2021-01-01', weight_grams => 1, microchip => '900000000000008', notes => undef, tags => ['x', 'y']);
    ($now) = update($ann, $pet->{id}, [2], %all)->@*;
    is_deeply { %$now{ keys %all } }, \%all, 'all fields at once, nulls too';
    ($now) = update($ann, $pet->{id}, [1, 3, 9])->@*;
    is_deeply [@$now{qw(matched version)}], [1, 4], 'one of several versions matches; a change of nothing is a version too';
    my @before = (scalar(events()), history($pet->{id}));
    for my $versions ([3], [1, 2, 5], []) {
        my ($same) = update($ann, $pet->{id}, $versions, name => 'Never')->@*;
        is_deeply $same, { %$now, matched => 0 }, 'no match with ' . (join(' or ', @$versions) || 'nothing') . ': the pet as it is';
    }
    is_deeply [scalar(events()), history($pet->{id})], [[], $before[1]], 'and nothing was written';
    is_deeply update($ben, $pet->{id}, undef, name => 'Never'), [], 'not for another USER';
    is_deeply update($ann, uuid7(), undef, name => 'Never'), [], 'nor what is not there';
    is_deeply scalar(events()), [], 'without an event';
    ($now) = update($ada, $pet->{id}, [4], name => 'Ada was here')->@*;
    is_deeply [@$now{qw(matched owner_id version)}], [1, $ann->{id}, 5], 'an ADMIN changes it, and it stays the owner\'s';
    is_deeply scalar(events()), ["pet_updated success $ada->{id} pet $pet->{id}"], 'which is one event';

    my $history = history($pet->{id});
    is_deeply [map { "$_->{version} $_->{action}" } @$history], ['1 create', map { "$_ update" } 2 .. 5], 'every version is in the history';
    is_deeply [map { $_->{actor_id} } @$history], [($ann->{id}) x 4, $ada->{id}], 'with the one who made it';
    is_deeply json($history->[$_]{old}), json($history->[$_ - 1]{new}), "version $history->[$_]{version} begins where the one before ended" for 1 .. 4;
    is json($history->[-1]{new})->{name}, 'Ada was here', 'and the last is the pet';
};

subtest 'pet_delete and pet_history' => sub {
    my $pet = create($ann);
    my ($now) = update($ann, $pet->{id}, undef, name => 'Max')->@*;
    events();
    is_deeply ask($ben, 'pet_delete', id => $pet->{id}), [], 'not by another USER';
    is_deeply ask($ann, 'pet_delete', id => $pet->{id}, if_versions => [1]), [{ %$now, matched => 0 }], 'not when the version is another';
    is_deeply [scalar(events()), scalar history($pet->{id})->@*], [[], 2], 'nothing was written';
    is_deeply ask($ann, 'pet_delete', id => $pet->{id}, if_versions => [2]), [{ %$now, matched => 1 }], 'it is deleted';
    is_deeply scalar(events()), ["pet_deleted success $ann->{id} pet $pet->{id}"], 'one event';
    is_deeply ask($ann, 'pet_get', id => $pet->{id}), [], 'it is gone';
    is_deeply ask($ann, 'pet_delete', id => $pet->{id}), [], 'and is not deleted again';
    is_deeply update($ann, $pet->{id}, undef, name => 'Never'), [], 'nor changed';

    my $rows = ask($ann, 'pet_history', id => $pet->{id}, limit => 101);
    is_deeply [map { "$_->{version} $_->{action}" } @$rows], ['3 delete', '2 update', '1 create'], 'its history stays, newest first';
    is_deeply [json($rows->[0]{old}), $rows->[0]{new}], [json($rows->[1]{new}), undef], 'and ends with what it was';
    is_deeply scalar(events()), [], 'the owner reads it without an event';
    is_deeply [map { $_->{version} } ask($ann, 'pet_history', id => $pet->{id}, limit => 2)->@*], [3, 2], 'a page';
    is_deeply [map { $_->{version} } ask($ann, 'pet_history', id => $pet->{id}, before_version => 2, limit => 2)->@*], [1], 'the page after it';
    is_deeply ask($ben, 'pet_history', id => $pet->{id}, limit => 101), [], 'not for another USER';
    is_deeply ask($ann, 'pet_history', id => uuid7(), limit => 101), [], 'nor of what never was';
    is_deeply scalar(events()), [], 'without an event';
    is scalar ask($ada, 'pet_history', id => $pet->{id}, limit => 101)->@*, 3, 'an ADMIN reads it';
    is_deeply scalar(events()), ["authz_admin success $ada->{id} pet $pet->{id}"], 'which is one event';
    ($pet) = create($ben);
    events();
    is ask($ada, 'pet_delete', id => $pet->{id})->[0]{matched}, 1, 'an ADMIN deletes';
    is_deeply scalar(events()), ["pet_deleted success $ada->{id} pet $pet->{id}"], 'which is one event';
    is history($pet->{id})->[-1]{owner_id}, $ben->{id}, 'and the history stays the owner\'s';
};

subtest 'pet_restore and pet_prune' => sub {
    my $pet = create($ann, microchip => '900000000000111', tags => ['a', 'b'], notes => 'n');
    my ($now) = update($ann, $pet->{id}, undef, name => 'Max')->@*;
    my %was  = map { $_ => $now->{$_} } @pet_columns;
    my $kept = sub { $super->selectrow_array('select count(*) from pets.deleted_pet') };
    is_deeply ask($ann, 'pet_restore', id => $pet->{id}), [], 'what is not deleted is not restored';
    ask($ann, 'pet_delete', id => $pet->{id});
    is $super->selectrow_array(q{select gone_at - deleted_at = interval '30 days' and deleted_at = now() - (now() - deleted_at) from pets.deleted_pet where id = $1}, undef, $pet->{id}), 1, 'it is kept for so many days';
    events();
    is_deeply ask($ben, 'pet_restore', id => $pet->{id}), [], 'not by another USER';
    is_deeply ask($ann, 'pet_restore', id => uuid7()), [], 'nor what never was';
    is_deeply scalar(events()), [], 'without an event';
    my ($back) = ask($ann, 'pet_restore', id => $pet->{id})->@*;
    is_deeply $back, { %was, version => 4, updated_at => $back->{updated_at} }, 'the owner restores it, as it was, at a new version';
    isnt $back->{updated_at}, $was{updated_at}, 'and a new time';
    is_deeply scalar(events()), ["pet_restored success $ann->{id} pet $pet->{id}"], 'one event';
    is_deeply ask($ann, 'pet_restore', id => $pet->{id}), [], 'once';
    is_deeply ask($ann, 'pet_get', id => $pet->{id}), [$back], 'it is there again';
    my $history = history($pet->{id});
    is_deeply [map { "$_->{version} $_->{action}" } @$history], ['1 create', '2 update', '3 delete', '4 restore'], 'its history goes on';
    is_deeply [$history->[3]{old}, json($history->[3]{new})], [undef, json($history->[2]{old})], 'with what it was before';

    ask($ann, 'pet_delete', id => $pet->{id});
    my $other = create($ben, microchip => '900000000000111');
    is state_of(sub { ask($ann, 'pet_restore', id => $pet->{id}) }), '23505', 'not while its chip is another pet\'s';
    ask($ben, 'pet_delete', id => $other->{id});
    events();
    is ask($ada, 'pet_restore', id => $pet->{id})->[0]{owner_id}, $ann->{id}, 'an ADMIN restores it, for its owner';
    is_deeply scalar(events()), ["pet_restored success $ada->{id} pet $pet->{id}"], 'one event';

    ask($ann, 'pet_delete', id => $pet->{id}, restore_days => 0);
    is_deeply ask($_, 'pet_restore', id => $pet->{id}), [], "$_->{role}: too late" for $ann, $ada;
    is scalar history($pet->{id})->@*, 7, 'the history is still there';
    my $before = $kept->();
    $super->do(q{update pets.deleted_pet set deleted_at = deleted_at - interval '30 days', gone_at = gone_at - interval '30 days' where id = $1}, undef, $other->{id});
    events();
    is call($prune, 'pet_prune', most => 1)->[0]{gone}, 1, 'one goes for good';
    is_deeply scalar(events()), ["pet_purged success - pet $other->{id}"], 'the one that was over first, which is an event of nobody\'s';
    is call($prune, 'pet_prune', most => 9)->[0]{gone}, 1, 'then the other';
    is call($prune, 'pet_prune', most => 9)->[0]{gone}, 0, 'then no more';
    is $kept->(), $before - 2, 'those whose time is not over stay';
    is_deeply [map { scalar history($_->{id})->@* } $pet, $other], [0, 0], 'their history is gone, too';
    is_deeply ask($ann, 'pet_restore', id => $pet->{id}), [], 'and they are';
};

subtest 'pet_list' => sub {
    my ($cat, $dan) = (person($pg, 'cat@example.org'), person($pg, 'dan@example.org'));
    my @pets = map { create($cat, name => "Pet $_", species => $_ % 2 ? 'dog' : 'cat') } 1 .. 9;
    my @other = map { create($dan) } 1 .. 3;
    events();
    my $ids = sub ($person, %argument) { [map { $_->{id} } ask($person, 'pet_list', limit => 101, %argument)->@*] };
    my $all = [map { $_->{id} } reverse @pets];
    is_deeply ask($cat, 'pet_list', limit => 101), [reverse @pets], 'one\'s own, newest first, whole';
    is_deeply $ids->($cat, limit => 4), [@$all[0 .. 3]], 'a page';
    is_deeply $ids->($cat, limit => 4, before => $all->[3]), [@$all[4 .. 7]], 'the next';
    is_deeply $ids->($cat, limit => 4, before => $all->[7]), [$all->[8]], 'the last';
    is_deeply $ids->($cat, limit => 4, before => $all->[8]), [], 'none after it';
    is_deeply $ids->($cat, owner => $dan->{id}), $all, 'a USER\'s filter on the owner is not honoured';
    is_deeply scalar(events()), [], 'without events';

    my $total = $super->selectrow_array('select count(*) from pets.pet');
    is scalar $ids->($ada)->@*, $total, 'an ADMIN sees all';
    my ($event) = events();
    is_deeply [@$event{qw(action actor_id target_id)}, json($event->{detail})], ['authz_admin', $ada->{id}, undef, { event => 'pet_list', limit => 100, before => undef }], 'which is one event';
    is_deeply $ids->($ada), [sort { $b cmp $a } $ids->($ada)->@*], 'newest first';
    events();
    is_deeply $ids->($ada, owner => $dan->{id}, limit => 3, before => $other[2]{id}), [map { $_->{id} } reverse @other[0, 1]], 'those of somebody';
    ($event) = events();
    is_deeply [@$event{qw(action target_type target_id)}, json($event->{detail})], ['authz_admin', 'account', $dan->{id}, { event => 'pet_list', limit => 2, before => $other[2]{id} }], 'which is one event, and says whose';
    my $own = $ids->($ada, owner => $ada->{id});
    is_deeply [map { $_->{owner_id} } ask($ada, 'pet_list', owner => $ada->{id}, limit => 101)->@*], [($ada->{id}) x @$own], 'his own';
    is_deeply scalar(events()), [], 'which are none';
    is_deeply call($api, 'pet_list', own => $cat->{id}, limit => 101), [], 'nobody sees nothing';
};

# The walks: what pets-orders.t does through the API is not repeated here.
subtest 'pet_list_newest and the others' => sub {
    my ($fay, $gus) = (person($pg, 'fay@example.org'), person($pg, 'gus@example.org'));
    my @pets = map { create($fay, name => "Pet $_", species => $_ % 2 ? 'dog' : 'cat', sex => 'female', born_on => "2020-01-0$_", tags => ['a', "t$_"]) } 1 .. 9;
    my @other = map { create($gus, name => "100%_R\x{c9}X $_") } 1 .. 3;
    events();
    my @orders = qw(newest name name_desc born born_desc created created_desc);
    my $ids = sub ($person, $order, %argument) { [map { $_->{id} } ask($person, "pet_list_$order", limit => 101, %argument)->@*] };
    my $of  = sub (@numbers) { [map { $pets[$_ - 1]{id} } @numbers] };
    my $all = $of->(reverse 1 .. 9);
    for my $order (@orders) {
        my $sorted = sub (@ids) { [$order =~ /desc|newest/ ? reverse @ids : @ids] };
        is_deeply $ids->($fay, $order), $sorted->($of->(1 .. 9)->@*), "$order: one's own";
        is_deeply $ids->($fay, $order, species => 'cat'), $sorted->($of->(2, 4, 6, 8)->@*), "$order: of a species";
        is_deeply $ids->($fay, $order, sex => 'male'), [], "$order: of a sex";
        is_deeply $ids->($fay, $order, tag => 't3'), $of->(3), "$order: with a tag";
        is_deeply $ids->($fay, $order, tag => 't'), [], "$order: with all of a tag";
        is_deeply $ids->($fay, $order, born_after => '2020-01-03', born_before => '2020-01-06'), $sorted->($of->(4, 5)->@*), "$order: between dates, without these";
        is_deeply $ids->($fay, $order, q => 'pET 7'), $of->(7), "$order: by a piece of the name, in any case";
        is_deeply $ids->($gus, $order, q => "%_r\x{e9}x"), $sorted->(map { $_->{id} } @other), "$order: taken literally, in any script";
        is_deeply $ids->($gus, $order, q => '%x'), [], "$order: without wildcards";
        is_deeply $ids->($fay, $order, owner => $gus->{id}), $ids->($fay, $order), "$order: a USER's filter on the owner is not honoured";
        is_deeply call($api, "pet_list_$order", own => $fay->{id}, limit => 101), [], "$order: nobody sees nothing";
        is_deeply scalar(events()), [], "$order: without events";
        my $total = $super->selectrow_array('select count(*) from pets.pet');
        is scalar $ids->($ada, $order)->@*, $total, "$order: an ADMIN sees all";
        my ($event) = events();
        my %sort = $order eq 'newest' ? () : (sort => { name => 'name', born => 'born_on', created => 'created_at' }->{ $order =~ s/_desc//r });
        $sort{sort} = "-$sort{sort}" if $order =~ /_desc/;
        is_deeply [@$event{qw(action actor_id target_id)}, json($event->{detail})], ['authz_admin', $ada->{id}, undef, { event => 'pet_list', limit => 100, %sort, searched => JSON::PP::false }], "$order: which is one event";
        is_deeply $ids->($ada, $order, owner => $gus->{id}, species => 'dog', q => 'x'), $sorted->(map { $_->{id} } @other), "$order: those of somebody";
        ($event) = events();
        is_deeply [@$event{qw(target_type target_id)}, json($event->{detail})], ['account', $gus->{id}, { event => 'pet_list', limit => 100, %sort, species => 'dog', searched => JSON::PP::true }], "$order: which is one event, and says whose";
        is scalar $ids->($ada, $order, owner => $ada->{id})->@*, scalar ask($ada, 'pet_list', owner => $ada->{id}, limit => 101)->@*, "$order: his own";
        is_deeply scalar(events()), [], "$order: without an event";
    }
    my ($chip) = create($fay, microchip => '123456789012345', tags => ['x']);
    events();
    my $by_chip = sub ($person, %argument) { [map { $_->{id} } ask($person, 'pet_list_microchip', microchip => '123456789012345', %argument)->@*] };
    is_deeply $by_chip->($fay), [$chip->{id}], 'microchip: one\'s own';
    is_deeply $by_chip->($fay, tag => 'y'), [], 'microchip: other filters hold';
    is_deeply $by_chip->($gus), [], 'microchip: nobody else\'s';
    is_deeply scalar(events()), [], 'microchip: without events';
    is_deeply $by_chip->($ada), [$chip->{id}], 'microchip: everybody\'s for an ADMIN';
    is_deeply scalar(events()), ["authz_admin success $ada->{id} account -"], 'microchip: which is one event';
    is_deeply $by_chip->($ada, owner => $gus->{id}), [], 'microchip: not of that owner';
    events();
    my $search = sub ($person, %argument) { [map { $_->{id} } as($api, $person, sub ($dbh) { call($dbh, 'pet_search', limit => 101, %argument) })->@*] };
    is_deeply $search->($fay, q => 'pet'), $all, 'search: one\'s own';
    is_deeply $search->($gus, q => 'pet'), [], 'search: nobody else\'s';
    is_deeply $search->($gus, owner => $fay->{id}, q => 'pet'), [], 'search: also when asked for';
    is_deeply $search->($ada, owner => $fay->{id}, q => 'pet', species => 'cat'), $of->(8, 6, 4, 2), 'search: somebody\'s for an ADMIN';
    is_deeply call($api, 'pet_search', owner => $fay->{id}, q => 'pet', limit => 101), [], 'search: nobody finds nothing';
    my $count = sub ($person, %argument) { as($api, $person, sub ($dbh) { call($dbh, 'pet_count', %argument) })->[0]{count} };
    is $count->($fay), 10, 'count: one\'s own';
    is $count->($fay, species => 'cat'), 4, 'count: of a species';
    is $count->($gus, owner => $fay->{id}), 3, 'count: nobody else\'s';
    is $count->($ada, owner => $fay->{id}, q => 'PET'), 9, 'count: somebody\'s for an ADMIN';
    is call($api, 'pet_count', owner => $fay->{id})->[0]{count}, 0, 'count: nobody counts nothing';
    is_deeply scalar(events()), [], 'without events';
};

# Two connections of the same person, each in a transaction of its own.
sub writers (@people) {
    my @dbh = map { $pg->dbh('pets_api') } @people;
    for my $n (0 .. $#dbh) {
        $dbh[$n]->begin_work;
        enter($dbh[$n], $people[$n]);
    }
    return @dbh;
}

# Sends a statement without waiting; the answer comes from finish.
sub send_off ($dbh, $person, $name, %argument) {
    return start_call($dbh, { pg_async => 1 }, $name, own => $person->{id}, %argument);
}

sub finish ($dbh, $sth) {
    $dbh->pg_result;
    my $rows = $sth->fetchall_arrayref({});
    $dbh->commit;
    return $rows;
}

sub wait_for_lock ($dbh) {
    wait_until { $super->selectrow_array(q{select count(*) from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'}, undef, $dbh->{pg_pid}) } 60, 'the second writer to wait';
    return;
}

subtest 'one after the other' => sub {
    my @second = (
        ['the same version',   'pet_update', { if_versions => [1], mask => $bit{name}, name => 'second' }, [0, 2]],
        ['no expectation',     'pet_update', { mask => $bit{notes}, notes => 'second' },                  [1, 3]],
        ['the next version',   'pet_update', { if_versions => [2], mask => $bit{name}, name => 'second' }, [1, 3]],
        ['a deletion of it',   'pet_delete', { if_versions => [1], restore_days => 30 },                  [0, 2]],
        ['a deletion of any',  'pet_delete', { restore_days => 30 },                                      [1, 2]],
    );
    for my $case (@second) {
        my ($what, $name, $argument, $answer) = @$case;
        my $pet = create($ann, breed => 'kept');
        my ($one, $two) = writers($ann, $ann);
        my ($first) = call($one, 'pet_update', own => $ann->{id}, id => $pet->{id}, if_versions => [1], mask => $bit{name}, name => 'first')->@*;
        is $first->{matched}, 1, "$what: the first writes";
        my $sth = send_off($two, $ann, $name, id => $pet->{id}, %$argument);
        wait_for_lock($two);
        $one->commit;
        my ($row) = finish($two, $sth)->@*;
        is_deeply [@$row{qw(matched version)}], $answer, "$what: the second waits, and sees what the first has made";
        is $row->{name}, $argument->{name} && $answer->[0] ? 'second' : 'first', "$what: nothing of the first is lost";
        is $row->{breed}, 'kept', "$what: or of what was before";
        my $history = history($pet->{id});
        is scalar @$history, 2 + $answer->[0], "$what: as many versions as changes";
        is_deeply json($history->[-1]{old}), json($history->[-2]{new}), "$what: the history has no gap" if $answer->[0];
    }

    my $pet = create($ann);
    my ($one, $two) = writers($ann, $ann);
    call($one, 'pet_delete', own => $ann->{id}, id => $pet->{id}, restore_days => 30);
    my $sth = send_off($two, $ann, 'pet_update', id => $pet->{id}, mask => $bit{name}, name => 'late');
    wait_for_lock($two);
    $one->commit;
    is_deeply finish($two, $sth), [], 'an update that waited for a deletion finds nothing';

    $pet = create($ann);
    ($one, $two) = writers($ann, $ann);
    call($one, 'pet_update', own => $ann->{id}, id => $pet->{id}, if_versions => [1], mask => $bit{name}, name => 'undone');
    $sth = send_off($two, $ann, 'pet_update', id => $pet->{id}, if_versions => [1], mask => $bit{name}, name => 'done');
    wait_for_lock($two);
    $one->rollback;
    is_deeply [@{ finish($two, $sth)->[0] }{qw(matched version name)}], [1, 2, 'done'], 'when the first gives up the second has it';
};

subtest 'all at once' => sub {
    my ($rounds, @people) = (40, $ann, $ada, $ann);
    my @dbh = map { $pg->dbh('pets_api') } @people;
    my (%won, %lost);
    for my $round (1 .. $rounds) {
        my $pet = create($ann);
        for my $n (0 .. $#dbh) {
            $dbh[$n]->begin_work;
            enter($dbh[$n], $people[$n]);
        }
        my @sth = map { send_off($dbh[$_], $people[$_], 'pet_update', id => $pet->{id}, if_versions => [1], mask => $bit{name}, name => "writer $_") } 0 .. $#dbh;
        my %waiting = map { $_ => 1 } 0 .. $#dbh;
        my @winners;
        while (%waiting) {
            wait_until { grep { $dbh[$_]->pg_ready } keys %waiting } 60, 'a writer';
            for my $n (grep { $dbh[$_]->pg_ready } keys %waiting) {
                my ($row) = finish($dbh[$n], $sth[$n])->@*;
                push @winners, $n if $row->{matched};
                delete $waiting{$n};
            }
        }
        $won{ scalar @winners }++;
        my ($row) = ask($ann, 'pet_get', id => $pet->{id})->@*;
        $lost{$round} = $row if @winners == 1 && ($row->{version} != 2 || $row->{name} ne "writer $winners[0]");
        $lost{$round} = 'history' if history($pet->{id})->@* != 2;
    }
    is_deeply \%won, { 1 => $rounds }, "of three writers exactly one wins, $rounds times";
    is_deeply \%lost, {}, 'and the pet and its history are his';
};

done_testing;
