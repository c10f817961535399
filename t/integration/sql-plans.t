# The plans of the statements over 100,000 pets, as the roles get them: generic, from indexes alone, with
# nothing sorted; the branch that is not the caller's does not run; and a page deep down costs what the first
# one does. What is looked at is what was executed, so buffers and never-executed nodes, not guesses at costs.
use v5.36;
use Test::More;
use JSON::PP ();
use Pets::Cluster;
use Pets::Env qw(test_dir);
use Pets::Sql qw(statements as enter person session_terms uuid7);

# Nobody else makes statistics, or has plans made anew, in between.
my $pg    = Pets::Cluster->new(dir => test_dir() . '/pg', config => { autovacuum => 'off' })->start;
my $super = $pg->dbh;
my ($ann, $ben, $ada) = (person($pg, 'ann@example.org'), person($pg, 'ben@example.org'), person($pg, 'ada@example.org', 'ADMIN'));

# Ann has 20,000 pets, Ben 20, and 4,000 others the rest; keys are in the order of time, owners mixed.
$super->do(q{
    create function pg_temp.key(n bigint) returns uuid language sql as
    $$ select (lpad(to_hex(1700000000000 + n), 12, '0') || '7000a' || lpad(to_hex(n), 15, '0'))::uuid $$;
    insert into pets.account (id, email, display_name)
    select pg_temp.key(n), 'u' || n || '@example.org', 'U' from generate_series(1, 4000) n;
    insert into pets.session (id, account_id, refresh_hash, expires_at, ends_at)
    select pg_temp.key(10000 + n), pg_temp.key(n), sha256(n::text::bytea), now() + interval '1 h', now() + interval '1 d' from generate_series(1, 4000) n;
    insert into pets.credential (account_id, hash, pepper_id)
    select pg_temp.key(n), repeat('x', 60), 'p' from generate_series(1, 4000) n;
    insert into pets.totp (account_id, secret, key_id, confirmed_at)
    select id, sha512(id::text::bytea), 'k', now() from pets.account;
    insert into pets.recovery_code (account_id, hash, batch)
    select id, sha256(n::text::bytea), 0 from pets.account, generate_series(1, 10) n;
    insert into pets.login_challenge (token_hash, account_id, credential_generation, expires_at)
    select sha256(id::text::bytea), id, 1, now() + interval '1 d' from pets.account});
$super->do(q{
    insert into pets.pet (id, owner_id, name, species, sex, born_on, weight_grams, microchip, tags, created_at)
    select pg_temp.key(100000 + n), case when n % 5 = 0 then $1::uuid when n % 5000 = 1 then $2::uuid else pg_temp.key(1 + n * 7 % 4000) end,
           (array['Rex', 'Luna', 'Max', 'Nala'])[1 + n % 4] || ' ' || n, (array['dog', 'cat', 'bird', 'fish', 'rabbit', 'rodent', 'reptile', 'horse', 'other'])[1 + n % 9],
           (array['female', 'male'])[1 + n % 2], case when n % 10 > 2 then date '2000-01-01' + (n * 7 % 9000)::int end, n, lpad(n::text, 15, '0'),
           case n % 10000 when 7 then '{a,rare}' when 10 then '{a,rare}' else '{a,b}' end::pets.tag[], timestamptz '2025-01-01' + n / 3 * interval '1 s'
    from generate_series(1, 100000) n}, undef, $ann->{id}, $ben->{id});
$super->do(q{
    insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, new)
    select id, 1, 'create', owner_id, owner_id, '{}' from pets.pet});
my @ids = map { $super->selectcol_arrayref('select id from pets.pet where owner_id = $1 order by id desc', undef, $_->{id}) } $ann, $ben;
my $foreign = $super->selectrow_array(q{select id from pets.pet where owner_id <> all ($1) order by id limit 1}, undef, [map { $_->{id} } $ann, $ben, $ada]);

# Explains a statement as it runs, and undoes it. Returns what is of interest of all nodes of the plan.
sub plan_of ($role, $person, $name, %argument) {
    state %dbh;
    my $dbh       = $dbh{$role} //= $pg->dbh($role);
    my $statement = statements()->{$name};
    my @params    = $statement->{params}->@*;
    my $types     = @params ? '(' . join(', ', map { $_->[1] } @params) . ')' : '';
    $argument{own} //= $person->{id} if grep { $_->[0] eq 'own' } @params;
    my @values = map {
        my $value = delete $argument{ $_->[0] };
        ref $value ? "'{" . join(',', @$value) . "}'" : $dbh->quote($value)
    } @params;
    die "no such parameter: @{[%argument]}" if %argument;
    my ($json, $generic, $scans);
    # The first look is at the catalogue, too.
    for (1, 2) {
        $dbh->begin_work;
        enter($dbh, $person) if $person;
        $dbh->do("prepare \"$name\" $types as $statement->{sql}") if !$dbh->selectrow_array('select count(*) from pg_prepared_statements where name = $1', undef, $name);
        $json    = $dbh->selectrow_array("explain (analyze, buffers, timing off, format json) execute \"$name\"" . (@values ? '(' . join(', ', @values) . ')' : ''));
        $generic = $dbh->selectrow_array('select generic_plans > 0 and custom_plans = 0 from pg_prepared_statements where name = $1', undef, $name);
        $scans   = seq_scans($dbh);
        $dbh->rollback;
    }
    my $plan  = JSON::PP->new->decode($json)->[0]{Plan};
    my @nodes = flatten($plan);
    return {
        generic  => $generic,
        rows     => $plan->{'Actual Rows'},
        buffers  => blocks($plan),
        scans    => $scans,
        seq      => [map { $_->{'Relation Name'} } grep { $_->{'Node Type'} eq 'Seq Scan' } @nodes],
        bitmap   => [grep { $_->{'Node Type'} =~ /Bitmap/ } @nodes],
        sorted   => [grep { $_->{'Node Type'} =~ /Sort/ && ($_->{'Actual Rows'} // 0) > 1 } @nodes],
        used     => [sort map { $_->{'Index Name'} } grep { $_->{'Index Name'} && blocks($_) } @nodes],
    };
}

# How many tables of ours this transaction has read from end to end, also within functions.
sub seq_scans ($dbh) {
    return 0 + $dbh->selectrow_array(q{select sum(seq_scan) from pg_stat_xact_user_tables where schemaname = 'pets'});
}

# Blocks that a node and those below it have touched. A branch that is not taken touches none.
sub blocks ($node) {
    return $node->{'Shared Hit Blocks'} + $node->{'Shared Read Blocks'};
}

sub flatten ($node) {
    return ($node, map { flatten($_) } ($node->{Plans} // [])->@*);
}

# What every plan has to be; %expected: used (indexes), buffers (at most), rows.
sub plan_ok ($what, $plan, %expected) {
    subtest $what => sub {
        ok $plan->{generic}, 'a generic plan';
        is_deeply $plan->{seq},    [], 'no sequential scan';
        is $plan->{scans}, 0, '... nor one within a function';
        is_deeply $plan->{bitmap}, [], 'no bitmap';
        is_deeply $plan->{sorted}, [], 'nothing is sorted' if !$expected{sorted};
        is_deeply $plan->{used}, $expected{used}, 'exactly these indexes';
        is $plan->{rows}, $expected{rows}, 'so many rows' if defined $expected{rows};
        cmp_ok $plan->{buffers}, '<=', $expected{buffers} // 60, "at most @{[$expected{buffers} // 60]} blocks ($plan->{buffers})";
    };
    return;
}

# The other orders: statement => [how it is sorted, its key, the index of one's own, that of everybody's]. Pets whose
# birthday is not known come last, and have indexes of their own.
my %order = (
    newest       => ['id desc',                     undef,        'pet_owner_id_idx',         'pet_pkey'],
    name         => ['name_key, id',                'name',       'pet_owner_name_idx',       'pet_name_idx'],
    name_desc    => ['name_key desc, id desc',      'name',       'pet_owner_name_idx',       'pet_name_idx'],
    created      => ['created_at, id',              'created_at', 'pet_owner_created_at_idx', 'pet_created_at_idx'],
    created_desc => ['created_at desc, id desc',    'created_at', 'pet_owner_created_at_idx', 'pet_created_at_idx'],
    born         => ['born_on, id',                 'born_on',    'pet_owner_born_on_idx',    'pet_born_on_idx'],
    born_desc    => ['born_on is null, born_on desc, id desc', 'born_on', 'pet_owner_born_on_idx', 'pet_born_on_idx'],
);

# The cursor of a page that begins behind so many pets, of Ann's or everybody's.
sub cursor_at ($order, $offset, $owner = undef) {
    my ($sorted, $key) = $order{$order}->@*;
    $key //= 'null';
    my ($id, $value) = $super->selectrow_array("select id, $key from pets.pet where \$1::uuid is null or owner_id = \$1 order by $sorted offset \$2 limit 1", undef, $owner, $offset - 1);
    return (before => $id, $key eq 'null' ? () : (before_key => $value));
}

sub lists ($statistics) {
    for my $order (sort keys %order) {
        my (undef, undef, $own, $all) = $order{$order}->@*;
        my $name   = "pet_list_$order";
        my $is     = "$statistics: $name";
        my %sorted = $order =~ /^born/ ? (sorted => 1) : ();
        for my $deep (0, 8_000) {
            my %page = (limit => 21, request_id => 'r', $deep ? cursor_at($order, $deep, $ann->{id}) : ());
            my $page = $deep ? 'deep' : 'first';
            plan_ok "$is: $page page of one's own", plan_of('pets_api', $ann, $name, %page), used => [$own], rows => 21, %sorted;
            plan_ok "$is: $page page of somebody's, for an ADMIN", plan_of('pets_api', $ada, $name, %page, owner => $ann->{id}), used => [$own], rows => 21, %sorted;
            %page = (%page, cursor_at($order, 60_000)) if $deep;
            plan_ok "$is: $page page of everybody's", plan_of('pets_api', $ada, $name, %page), used => [$all], rows => 21, %sorted;
            plan_ok "$is: $page page of a species", plan_of('pets_api', $ada, $name, %page, species => 'dog'), used => [$all], rows => 21, buffers => 400, %sorted;
        }
        # A walk for what is not there comes to its bound and says so.
        plan_ok "$is: what is rare", plan_of('pets_api', $ann, $name, limit => 21, tag => 'none'), used => [$own], rows => 1, buffers => 4_100, %sorted;
        plan_ok "$is: a list of few", plan_of('pets_api', $ben, $name, limit => 21, q => 'none'), used => [$own, $order =~ /^born/ ? 'pet_owner_born_unknown_idx' : ()], rows => 0, %sorted;
        next if $order !~ /^born/;
        my %between = (born_after => '2010-01-01', born_before => '2010-02-01', limit => 21);
        plan_ok "$is: between dates", plan_of('pets_api', $ann, $name, %between), used => [$own], rows => 21, %sorted;
        plan_ok "$is: between dates, of everybody", plan_of('pets_api', $ada, $name, %between), used => [$all], rows => 21, %sorted;
        plan_ok "$is: not known", plan_of('pets_api', $ada, $name, limit => 21, cursor_at($order, 90_000)), used => ['pet_born_unknown_idx'], rows => 21, %sorted;
        plan_ok "$is: from known to not known", plan_of('pets_api', $ada, $name, limit => 21, cursor_at($order, 69_990)), used => ['pet_born_on_idx', 'pet_born_unknown_idx'], rows => 21, %sorted;
    }
    plan_ok "$statistics: pet_list_microchip", plan_of('pets_api', $ada, 'pet_list_microchip', microchip => sprintf '%015d', 77), used => ['pet_microchip_key'], rows => 1;
    plan_ok "$statistics: pet_list_microchip of another's", plan_of('pets_api', $ben, 'pet_list_microchip', microchip => sprintf '%015d', 77), used => ['pet_microchip_key'], rows => 0;
    for my $sort (undef, qw(name -name born_on -born_on created_at -created_at)) {
        my $is   = "$statistics: pet_search, " . ($sort // 'newest first');
        my %page = (limit => 21, sort => $sort);
        # [what is looked for, the same as a condition]
        for my $case (
            [{ tag => 'rare' }, q{'rare' = any (tags)}],
            [{ q => 'LUNA 7777' }, q{lower(name) like '%luna 7777%'}],
            [{ q => '0007', tag => 'rare' }, q{name like '%0007%' and 'rare' = any (tags)}],
            [{ born_after => '2010-01-01', born_before => '2010-01-05' }, q{born_on between '2010-01-02' and '2010-01-04'}],
        ) {
            my ($filter, $condition) = @$case;
            my $what = join ', ', sort keys %$filter;
            for my $who ($ada, $ann) {
                my $rows = $super->selectrow_array("select count(*) from pets.pet where $condition" . ($who == $ann ? " and owner_id = '$ann->{id}'" : ''));
                plan_ok "$is: by $what, " . ($who == $ann ? "one's own" : "everybody's"), plan_of('pets_api', $who, 'pet_search', %page, %$filter), used => [$rows ? 'pet_pkey' : ()], buffers => 400, rows => $rows < 21 ? $rows : 21;
            }
        }
    }
    plan_ok "$statistics: pet_count", plan_of('pets_api', $ada, 'pet_count', %$_), used => [], rows => 1, buffers => 4_000 for {}, { species => 'dog' }, { tag => 'rare' }, { owner => $ann->{id}, q => '0007' };
    return;
}

# A page costs as much as any other, counted in blocks: 10,000 pages in, five pages together at most 1.2 times the first five.
sub deep_pages() {
    for my $order ('', sort keys %order) {
        my $name = $order ? "pet_list_$order" : 'pet_list';
        # Of the 100,000 pets, 70,000 have a birthday; of Ann's 20,000, one half.
        for my $list (["everybody's", $ada, undef, 10, $order =~ /^born/ ? (6_990) : (), 9_990], ["one's own", $ann, $ann->{id}, 2, $order =~ /^born/ ? (4_900) : (), 9_900]) {
            my ($whose, $person, $owner, $limit, @pages) = @$list;
            my %cost;
            for my $from (0, @pages) {
                for my $number ($from .. $from + 4) {
                    my $plan = plan_of('pets_api', $person, $name, limit => $limit + 1, $number ? cursor_at($order || 'newest', $number * $limit, $owner) : ());
                    $plan->{rows} >= $limit or die "a page that is not full";
                    $cost{$from} += $plan->{buffers};
                }
            }
            cmp_ok $cost{$_}, '<=', 1.2 * $cost{0}, "$name: page $_ of $whose as page 1 ($cost{$_}, $cost{0})" for @pages;
        }
    }
    return;
}

# The count of sequential scans can be other than 0.
{
    $super->begin_work;
    $super->selectrow_array('select count(notes) from pets.pet');
    cmp_ok seq_scans($super), '>', 0, 'a sequential scan is noticed';
    $super->rollback;
}

# What a function does is compiled once on a connection; that is not to be counted.
plan_of('pets_auth', undef, 'login_lookup', email => 'x');

# First on tables that have never been analyzed, as a new database's are.
for my $statistics ('without statistics', 'with statistics') {
    $super->do('vacuum (analyze)') if $statistics eq 'with statistics';

    for my $case (['first', undef], ['deep', $ids[0][15_000]]) {
        my ($page, $before) = @$case;
        my %page = (before => $before, limit => 21, request_id => 'r');
        plan_ok "$statistics: $page page of one's own", plan_of('pets_api', $ann, 'pet_list', %page), used => ['pet_owner_id_idx'], rows => 21;
        plan_ok "$statistics: $page page of everybody's", plan_of('pets_api', $ada, 'pet_list', %page), used => ['pet_pkey'], rows => 21;
        plan_ok "$statistics: $page page of somebody's, for an ADMIN", plan_of('pets_api', $ada, 'pet_list', %page, owner => $ann->{id}), used => ['pet_owner_id_idx'], rows => 21;
    }
    plan_ok "$statistics: a list of few", plan_of('pets_api', $ben, 'pet_list', limit => 101), used => ['pet_owner_id_idx'], rows => scalar $ids[1]->@*;
    lists($statistics);

    my $id = $ids[0][7_000];
    plan_ok "$statistics: pet_get", plan_of('pets_api', $ann, 'pet_get', id => $id), used => ['pet_pkey'], rows => 1;
    my $batch = plan_of('pets_api', $ann, 'pet_create_batch', request_id => 'r', pets => JSON::PP->new->encode([map { +{ id => uuid7(), name => "B$_", species => 'dog', microchip => "9$id" =~ tr/0-9//cdr =~ s/.*(.{12})\z/$1/r . sprintf '%03d', $_ } } 1 .. 100]));
    is_deeply [$batch->{rows}, $batch->{seq}, $batch->{bitmap}], [100, [], []], "$statistics: one hundred pets at once, without a scan";
    cmp_ok $batch->{buffers}, '<=', 100 * 60, "$statistics: at most 60 blocks each ($batch->{buffers})";
    plan_ok "$statistics: pet_get of another's", plan_of('pets_api', $ann, 'pet_get', id => $foreign), used => ['pet_pkey'], rows => 0;
    plan_ok "$statistics: pet_get by an ADMIN", plan_of('pets_api', $ada, 'pet_get', id => $id), used => ['pet_pkey'], rows => 1;
    plan_ok "$statistics: pet_history", plan_of('pets_api', $ann, 'pet_history', id => $id, limit => 21), used => ['pet_history_pkey'], rows => 1;
    plan_ok "$statistics: pet_history by an ADMIN", plan_of('pets_api', $ada, 'pet_history', id => $id, limit => 21), used => ['pet_history_pkey'], rows => 1;
    plan_ok "$statistics: pet_create", plan_of('pets_api', $ann, 'pet_create', id => uuid7(), name => 'x', species => 'dog', tags => ['a']), used => [], rows => 1, buffers => 100;
    plan_ok "$statistics: pet_update", plan_of('pets_api', $ann, 'pet_update', id => $id, if_versions => [1], mask => 1, name => 'x'), used => ['pet_pkey', 'pet_pkey'], rows => 1, buffers => 100;
    plan_ok "$statistics: pet_update by an ADMIN", plan_of('pets_api', $ada, 'pet_update', id => $id, mask => 1, name => 'x'), used => ['pet_pkey', 'pet_pkey'], rows => 1, buffers => 100;
    plan_ok "$statistics: pet_delete", plan_of('pets_api', $ann, 'pet_delete', id => $id, restore_days => 30), used => ['pet_pkey', 'pet_pkey', 'transfer_pet_open_key'], rows => 1, buffers => 100;
    plan_ok "$statistics: login_lookup", plan_of('pets_auth', undef, 'login_lookup', email => 'U77@example.org'), used => ['account_email_key', 'credential_pkey', 'totp_pkey'], rows => 1, buffers => 200;    # one of sixteen sweeps
    plan_ok "$statistics: account_me", plan_of('pets_auth', $ann, 'account_me'), used => ['account_pkey'], rows => 1;
    plan_ok "$statistics: session_open", plan_of('pets_auth', undef, 'session_open', session_id => uuid7(), account_id => $ann->{id}, session_terms()), used => ['account_pkey'], rows => 1, buffers => 100;
    plan_ok "$statistics: session_close", plan_of('pets_auth', $ann, 'session_close', session_id => $ann->{session}, scope => 'this', cause => 'logout'), used => ['session_account_id_idx'], rows => 1, buffers => 100;
    plan_ok "$statistics: session_list", plan_of('pets_auth', $ann, 'session_list', session_id => $ann->{session}, limit => 21), used => ['session_account_id_idx'], rows => 1, buffers => 100;
    plan_ok "$statistics: credential_own", plan_of('pets_auth', $ann, 'credential_own'), used => ['account_pkey', 'credential_pkey', 'totp_pkey'], rows => 1, buffers => 200;    # the same
    my %challenge = (token_hash => $super->selectrow_array(q{select '\x' || encode(sha256($1::text::bytea), 'hex')}, undef, $ann->{id}));
    my %code      = (step => 7, secret => undef, key_id => undef);
    my %recovery  = (hash => $super->selectrow_array(q{select '\x' || encode(sha256('3'::bytea), 'hex')}));
    my @hashes    = (hashes => [map { '"\\\\x' . sprintf('%064x', $_) . '"' } 1 .. 10]);
    my %session   = (session_id => $ann->{session});
    my $waiting   = sub ($name, $rows, $used, %argument) { plan_ok "$statistics: $name", plan_of('pets_auth', undef, "login_challenge_$name", %challenge, %argument), used => $used, rows => $rows, buffers => 100 };
    my $own       = sub ($name, $rows, $used, %argument) { plan_ok "$statistics: $name", plan_of('pets_auth', $ann, $name, %argument), used => $used, rows => $rows, buffers => 200 };
    $waiting->('open', 1, ['account_pkey', 'login_challenge_account_id_idx'], account_id => $ben->{id}, token_hash => '\x' . '1' x 64, lifetime_s => 300, credential_generation => 1);
    $waiting->('try', 1, ['login_challenge_pkey', 'totp_pkey'], by_code => 1);
    $waiting->('code', 1, ['login_challenge_pkey', 'login_challenge_pkey', 'totp_pkey'], %code);
    $waiting->('recovery', 1, ['login_challenge_pkey', 'login_challenge_pkey', 'recovery_code_pkey', 'totp_pkey'], %recovery);
    $own->('totp_enrol', 0, [], secret => '\x' . '1' x 96, key_id => 'k');
    $own->('totp_try', 1, ['totp_pkey'], confirmed => 1);
    $own->('totp_confirm', 0, ['session_pkey', 'totp_pkey'], %session, step => 7, @hashes);
    $own->('second_factor_get', 1, ['recovery_code_pkey', 'totp_pkey']);
    $own->('second_factor_remove', 1, ['session_account_id_idx', 'totp_pkey']);
    $own->('recovery_codes_renew', 1, ['recovery_code_pkey', 'totp_pkey'], @hashes);
    $own->('step_up_code', 1, ['session_pkey', 'totp_pkey'], %session, %code);
    $own->('step_up_recovery', 1, ['recovery_code_pkey', 'session_pkey', 'totp_pkey'], %session, %recovery);
    $own->('step_up_password', 0, ['account_pkey', 'session_pkey', 'totp_pkey'], %session, generation => 1);
    plan_ok "$statistics: password_change", plan_of('pets_auth', $ann, 'password_change', session_id => $ann->{session}, generation => 1, hash => 'y' x 60, pepper_id => 'p'), used => ['credential_pkey', 'login_challenge_account_id_idx', 'session_account_id_idx'], rows => 1, buffers => 100;
}

# What is stored under keys is found by the key of it, and what is over by its age.
$super->do(q{
    insert into pets.idempotency_key (account_id, key, fingerprint, route, status, version, body, created_at)
    select pg_temp.key(1 + n % 4000), n::text, sha256(''), 'POST /v1/pets', 201, 1, repeat('x', 500), now() - n * interval '10 s' from generate_series(1, 20000) n});
$super->do(q{
    insert into pets.deleted_pet (id, owner_id, name, species, sex, notes, tags, created_at, updated_at, version, deleted_at, gone_at)
    select pg_temp.key(300000 + n), pg_temp.key(1 + n % 4000), 'D', 'cat', 'male', repeat('x', 1000), '{}', now(), now(), 1, now() - interval '60 d', now() - interval '30 d' + n * interval '1 h' from generate_series(1, 30000) n});
# Offers: Ann has made and got many; the one that is looked at is the last.
$super->do(q{
    insert into pets.transfer (id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, ended_at, expires_at)
    select pg_temp.key(400000 + n), pg_temp.key(500000 + n), 'P', 'dog', case when n % 4 = 0 then $1::uuid else pg_temp.key(1 + n % 4000) end, 'N',
           case when n % 4 = 1 then $1::uuid when n % 2 = 0 then pg_temp.key(1 + (n + 7) % 4000) end, case when n % 4 = 3 then case when n % 8 = 3 then 'Ann@example.org' else 'x' || n || '@example.org' end end,
           case when n % 4 = 2 then 'offered' else 'declined' end, case when n % 4 <> 2 then now() end, now() + interval '1 d' from generate_series(1, 20000) n}, undef, $ann->{id});
my $offer = $super->selectrow_array('select id from pets.transfer where from_id = $1 order by id desc limit 1', undef, $ann->{id});
for my $statistics ('without statistics', 'with statistics') {
    $super->do('vacuum (analyze) pets.transfer') if $statistics eq 'with statistics';
    plan_ok "$statistics: transfer_get", plan_of('pets_api', $ann, 'transfer_get', id => $offer), used => ['transfer_pkey'], rows => 1;
    plan_ok "$statistics: transfers both ways", plan_of('pets_api', $ann, 'transfer_list', limit => 21), used => ['transfer_from_id_idx', 'transfer_to_email_idx', 'transfer_to_id_idx'], rows => 21, buffers => 300;
    plan_ok "$statistics: outgoing transfers", plan_of('pets_api', $ann, 'transfer_list', limit => 21, direction => 'outgoing'), used => ['transfer_from_id_idx'], rows => 21, buffers => 100;
    plan_ok "$statistics: incoming transfers", plan_of('pets_api', $ann, 'transfer_list', limit => 21, direction => 'incoming'), used => ['transfer_to_email_idx', 'transfer_to_id_idx'], rows => 21, buffers => 200;
    plan_ok "$statistics: transfer_offer", plan_of('pets_api', $ann, 'transfer_offer', id => uuid7(), pet_id => $ids[0][7_001], to_email => 'x@example.org', days => 7), used => ['pet_owner_id_idx', 'transfer_from_open_idx', 'transfer_pet_open_key'], rows => 1, buffers => 100;
    plan_ok "$statistics: transfer_end", plan_of('pets_api', $ann, 'transfer_end', id => $offer, verdict => 'withdrawn'), used => ['transfer_pkey', 'transfer_pkey'], rows => 1;
}

$super->do(q{update pets.transfer set created_at = now() - interval '60 d', expires_at = now() - interval '40 d' where ctid = any (array(select ctid from pets.transfer limit 10000))});
for my $statistics ('without statistics', 'with statistics') {
    $super->do('vacuum (analyze) pets.idempotency_key, pets.deleted_pet') if $statistics eq 'with statistics';
    plan_ok "$statistics: idempotency_get", plan_of('pets_api', $ann, 'idempotency_get', key => '7'), used => ['idempotency_key_pkey'], rows => 0;
    plan_ok "$statistics: idempotency_store", plan_of('pets_api', $ann, 'idempotency_store', key => '7', fingerprint => '\\x' . '00' x 32, route => 'r', status => 201, version => 1, body => 'b'), used => [], rows => 1;
    plan_ok "$statistics: pet_restore", plan_of('pets_api', $ann, 'pet_restore', id => $foreign), used => [], rows => 0, buffers => 30;
    # Functions hide their plans; what they touch is counted.
    for my $prune (['prune_idempotency_keys(50)', 900], ['prune_deleted_pets(50)', 2500], ['prune_transfers(50)', 900]) {
        my $job = $pg->dbh('pets_prune');
        $job->begin_work;
        my $blocks = blocks(JSON::PP->new->decode($job->selectrow_array("explain (analyze, buffers, timing off, format json) select pets.$prune->[0]"))->[0]{Plan});
        $job->rollback;
        cmp_ok $blocks, '<=', $prune->[1], "$statistics: $prune->[0] does not walk through all of them ($blocks)";
    }
}

# So is everything else that is over: a batch costs what is in it, however much there is of what stays and what goes.
$super->do(q{
    insert into pets.mail_outbox (id, kind, account_id, recipient, created_at, sent_at, failed_at)
    select pg_temp.key(n), 'new_sign_in', pg_temp.key(1), case when n % 2 = 0 then 'a@example.org' end, now() - n * interval '1 h',
           case when n % 4 = 1 then now() - n * interval '1 h' end, case when n % 4 = 3 then now() - n * interval '1 h' end from generate_series(1, 20000) n;
    insert into pets.registration (id, link_hash, email, display_name, hash, pepper_id, created_at, expires_at)
    select pg_temp.key(n), sha256(n::text::bytea), 'r@example.org', 'R', repeat('x', 60), 'p', now() - interval '1 year', now() + (10000 - n) * interval '1 min' from generate_series(1, 20000) n;
    insert into pets.reset_link (id, link_hash, account_id, created_at, expires_at)
    select pg_temp.key(n), sha256(n::text::bytea), pg_temp.key(1 + n % 4000), now() - interval '1 year', now() + (10000 - n) * interval '1 min' from generate_series(1, 20000) n;
    insert into pets.login_challenge (token_hash, account_id, credential_generation, created_at, expires_at)
    select sha256(n::text::bytea), pg_temp.key(1 + n % 4000), 0, now() - interval '1 year', now() + (10000 - n) * interval '1 min' from generate_series(1, 20000) n;
    insert into pets.session (id, account_id, refresh_hash, created_at, expires_at, ends_at, revoked_at)
    select pg_temp.key(20000 + n), pg_temp.key(1 + n % 4000), sha256(n::text::bytea), now() - interval '2 years', now() + (10000 - n) * interval '10 min', now() + interval '1 year',
           case when n % 5 = 0 then now() - n * interval '10 min' end from generate_series(1, 20000) n;
    insert into pets.api_key (id, account_id, name, scopes, key_hash, created_at, expires_at, revoked_at)
    select pg_temp.key(n), pg_temp.key(1 + n % 4000), 'k', '{pets:read}', sha256(n::text::bytea), now() - interval '200 d' - n * interval '10 min', now() - n * interval '10 min' + interval '100 d',
           case when n % 5 = 0 then now() - n * interval '10 min' end from generate_series(1, 20000) n;
    insert into pets.known_network (account_id, network, last_seen)
    select pg_temp.key(1 + n % 4000), set_masklen(inet '10.0.0.0' + n * 256, 24)::cidr, now() - n * interval '30 min' from generate_series(1, 20000) n;
    update pets.totp set confirmed_at = null, created_at = now() - interval '30 h' where ctid = any (array(select ctid from pets.totp limit 2000));
    insert into pets.throttle select gen_random_uuid(), now() + (n % 2 * 2 - 1) * interval '1 hour' from generate_series(1, 20000) n});
for my $statistics ('without statistics', 'with statistics') {
    $super->do('vacuum (analyze)') if $statistics eq 'with statistics';
    my %days = map { $_ => 30 } qw(mail sessions api_keys known_networks);
    my $job  = sub ($name, $used, %argument) {
        plan_ok "$statistics: prune_$name", plan_of('pets_prune', undef, "prune_$name", most => 50, $days{$name} ? (days => $days{$name}) : (), %argument), used => $used, rows => 1, buffers => 900;
    };
    my %by = (operator => 'test');
    $job->('mail',             ['mail_outbox_over_idx', 'mail_outbox_pkey'], %by);
    $job->('registrations',    ['registration_expires_at_idx', 'registration_pkey'], %by);
    $job->('reset_links',      ['reset_link_expires_at_idx', 'reset_link_pkey'], %by);
    $job->('login_challenges', ['login_challenge_over_idx', 'login_challenge_pkey'], %by);
    $job->('second_factors',   ['totp_begun_idx', 'totp_pkey'], %by);
    $job->('sessions',         ['session_over_idx', 'session_pkey'], %by);
    $job->('api_keys',         ['api_key_over_idx', 'api_key_pkey'], %by);
    $job->('known_networks',   ['known_network_last_seen_idx'], %by);
    $job->('throttle',         ['throttle_pkey', 'throttle_pkey', 'throttle_pkey'], after => '80000000-0000-0000-0000-000000000000');
}

deep_pages();

# enter() hides its plan; what it touches is counted. The owner's policies must not keep it from its indexes.
{
    my $dbh = $pg->dbh('pets_api');
    enter($dbh, $ann) for 1 .. 3;
    my $json = $dbh->selectrow_array(q{explain (analyze, buffers, timing off, format json) select pets.enter($1, $2, null, true, null)} =~ s/\$1/$dbh->quote($ann->{session})/er =~ s/\$2/$dbh->quote($ann->{id})/er);
    my $plan = JSON::PP->new->decode($json)->[0]{Plan};
    cmp_ok blocks($plan), '<=', 10, 'enter touches a few blocks of two primary keys';
}

# Nor does throttle_take walk through its table, however much of it there is. (One attempt of sixteen also sweeps.)
{
    $super->do(q{insert into pets.throttle select gen_random_uuid(), now() + interval '1 hour' from generate_series(1, 20000)});
    my $dbh    = $pg->dbh('pets_auth');
    my @blocks = sort { $a <=> $b } map {
        my $json = $dbh->selectrow_array("explain (analyze, buffers, timing off, format json) select pets.throttle_take('login', 'subject$_', null, '192.0.2.$_', '{32,64,90,5,60,5,60,5,60}')");
        blocks(JSON::PP->new->decode($json)->[0]{Plan});
    } 1 .. 21;
    cmp_ok $blocks[10], '<=', 60, "throttle_take touches a few blocks of its primary key ($blocks[10])";
    cmp_ok $blocks[-2], '<=', 1200, "and its sweep not many more ($blocks[-2])";
}

done_testing;
