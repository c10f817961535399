# The schema can be deployed, verified, reverted and deployed again, by a superuser and by a role that can
# merely create roles; its verify scripts notice what they are there for; and every statement can be
# prepared and run by the roles of its pools, with the types that its header claims, and by no other.
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(src slurp test_dir);
use Pets::Sql qw(statements);

my $pg = Pets::Cluster->new(dir => test_dir() . '/pg', bare => 1)->start;

sub sqitch_ok ($arguments, $what, %option) {
    my ($status, $out, $err) = $pg->sqitch($arguments, %option);
    is $status, 0, $what or diag $out, $err;
    return $out;
}

# What a database holds of ours: objects of the schema, roles, and privileges of public.
sub traces (%option) {
    return $pg->psql(<<~'END', %option);
        select 'schema', nspname, nspacl::text from pg_namespace where nspname in ('pets', 'public')
        union all select 'role', rolname, null from pg_roles where rolname like 'pets%'
        union all select 'database', datname, (select string_agg(a.grantee::regrole || ' ' || a.privilege_type, ',' order by a.grantee, a.privilege_type)
                                               from aclexplode(coalesce(datacl, acldefault('d', datdba))) a where a.grantee <> datdba)
          from pg_database where datname = current_database()
        union all select 'default', defaclrole::text, defaclacl::text from pg_default_acl
        order by 1, 2
        END
}

subtest 'deploy, verify, revert, deploy' => sub {
    my $before = traces();
    sqitch_ok ['deploy', '--verify'], 'deploys, verifying each change';
    isnt traces(), $before, 'something is there';
    sqitch_ok ['revert', '-y'], 'reverts everything';
    is traces() =~ s/public\|\{.*?\}/public|/r =~ s/\|public\|$/|public|/r, $before =~ s/public\|\{.*?\}/public|/r, 'and leaves nothing behind';
    sqitch_ok ['deploy', '--verify'], 'deploys again';
    my $plan = () = slurp(src() . '/sql/schema/sqitch.plan') =~ /^\w/mg;
    is $pg->psql('select count(*) from sqitch.changes'), $plan, 'all of the plan';
    for my $kind (qw(deploy revert verify)) {
        is scalar(my @files = glob src() . "/sql/schema/$kind/*.sql"), $plan, "each change has its $kind script";
    }
};

subtest 'a deployer who is no superuser, in a second database' => sub {
    $pg->psql('create role deployer login createrole; create database other owner deployer');
    $pg->set_password('deployer');
    sqitch_ok ['deploy', '--verify'], 'deploys and verifies', role => 'deployer', database => 'other';
    is $pg->psql(q{select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'pets'::regnamespace}, database => 'other'),
        'pets_owner', 'everything belongs to pets_owner';
    sqitch_ok ['revert', '-y'], 'reverts', role => 'deployer', database => 'other';
    is $pg->psql(q{select count(*) from pg_roles where rolname like 'pets%'}), 8, 'the roles stay while the first database needs them';
    sqitch_ok ['verify'], 'and the first database is as it was';
};

# [what somebody does, the change whose verify script notices, how to undo it]
my @tampering = (
    ['alter role pets_api bypassrls',                              'roles',    'alter role pets_api nobypassrls'],
    ['alter role pets_owner login',                                'roles',    'alter role pets_owner nologin'],
    ['grant pets_auth to pets_api',                                'roles',    'revoke pets_auth from pets_api'],
    ['alter role pets_auth reset plan_cache_mode',                 'roles',    'alter role pets_auth set plan_cache_mode = force_generic_plan'],
    ['grant usage on schema pets to public',                       'schema',   'revoke usage on schema pets from public'],
    ['grant temporary on database pets to public',                 'schema',   'revoke temporary on database pets from public'],
    ['grant create on schema public to public',                    'schema',   'revoke create on schema public from public'],
    ['insert into pets.schema_version values (true, 2) on conflict (only_row) do nothing; delete from pets.schema_version', 'schema', 'insert into pets.schema_version (version) values (1)'],
    ['drop index pets.session_account_id_idx',                     'accounts', 'create index session_account_id_idx on pets.session (account_id, id desc); alter table pets.session owner to pets_owner'],
    ['alter table pets.account drop constraint account_role_known', 'accounts', q{alter table pets.account add constraint account_role_known check (role in ('USER', 'ADMIN'))}],
    ['alter table pets.pet drop constraint pet_born_on_past',      'pets',     'alter table pets.pet add constraint pet_born_on_past check (born_on is null)'],
    ['alter domain pets.tag drop constraint tag_size',             'pets',     'alter domain pets.tag add constraint tag_size check (char_length(value) between 1 and 32) not valid'],
    ['alter table pets.audit_event disable trigger audit_event_append_only', 'audit', 'alter table pets.audit_event enable always trigger audit_event_append_only'],
    ['alter function pets.enter(uuid, uuid, text, boolean, integer) reset search_path', 'enter', 'alter function pets.enter(uuid, uuid, text, boolean, integer) set search_path = pg_catalog, pg_temp'],
    ['alter function pets.enter(uuid, uuid, text, boolean, integer) security invoker',  'enter', 'alter function pets.enter(uuid, uuid, text, boolean, integer) security definer'],
    ['alter table pets.pet no force row level security',           'policies', 'alter table pets.pet force row level security'],
    ['create table pets.letter (body text)',                       'policies', 'drop table pets.letter'],
    ['create policy all_of_it on pets.pet using (true)',           'policies', 'drop policy all_of_it on pets.pet'],
    ['grant select (display_name) on pets.account to pets_api',    'grants',   'revoke select (display_name) on pets.account from pets_api'],
    ['grant insert (role) on pets.account to pets_auth',           'grants',   'revoke insert (role) on pets.account from pets_auth'],
    ['grant select on pets.audit_event to pets_ops',               'grants',   'revoke select on pets.audit_event from pets_ops'],
    ['grant truncate on pets.pet to pets_api',                     'grants',   'revoke truncate on pets.pet from pets_api'],
    ['alter table pets.mail_outbox drop constraint mail_outbox_emptied', 'mail', 'alter table pets.mail_outbox add constraint mail_outbox_emptied check (true)'],
    ['grant select (recipient) on pets.mail_outbox to pets_auth',  'mail',     'revoke select (recipient) on pets.mail_outbox from pets_auth'],
    ['grant select (email) on pets.account to pets_mail',          'mail',     'revoke select (email) on pets.account from pets_mail'],
    ['alter table pets.recovery_code drop constraint recovery_code_totp_fkey', 'second_factor', 'alter table pets.recovery_code add constraint recovery_code_totp_fkey foreign key (account_id) references pets.totp (account_id) on delete cascade'],
    ['drop index pets.login_challenge_account_id_idx',             'second_factor', 'create index login_challenge_account_id_idx on pets.login_challenge (account_id)'],
    ['grant select (key_id) on pets.totp to pets_api',             'second_factor', 'revoke select (key_id) on pets.totp from pets_api'],
    ['grant update (last_step) on pets.totp to pets_ops',          'second_factor', 'revoke update (last_step) on pets.totp from pets_ops'],
    ['alter table pets.throttle set logged',                       'throttle', 'alter table pets.throttle set unlogged'],
    ['grant select (network) on pets.known_network to pets_auth',  'throttle', 'revoke select (network) on pets.known_network from pets_auth'],
    ['alter function pets.throttle_give(text, integer) security invoker', 'throttle', 'alter function pets.throttle_give(text, integer) security definer'],
    ['grant execute on function pets.enter(uuid, uuid, text, boolean, integer) to public', 'grants', 'revoke execute on function pets.enter(uuid, uuid, text, boolean, integer) from public'],
    ['alter table pets.account disable trigger account_keep_admin_update', 'last_admin', 'alter table pets.account enable trigger account_keep_admin_update'],
    ['alter function pets.keep_admin() security invoker',          'last_admin', 'alter function pets.keep_admin() security definer'],
    ['alter function pets.audit_refusal(uuid, uuid, bytea, text, text, text, uuid, text, inet) security invoker', 'refusal', 'alter function pets.audit_refusal(uuid, uuid, bytea, text, text, text, uuid, text, inet) security definer'],
    ['grant update (email) on pets.account to pets_ops',           'operator', 'revoke update (email) on pets.account from pets_ops'],
    ['drop policy ops_update on pets.session',                     'operator', 'create policy ops_update on pets.session for update to pets_ops using (revoked_at is null) with check (revoked_at is not null)'],
    ['drop index pets.pet_search_idx',                             'listing',  q{create index pet_search_idx on pets.pet using gin (name_key pets_trgm.gin_trgm_ops, (array[owner_id::text, 'species ' || species, 'sex ' || sex] || tags::text[])); alter table pets.pet owner to pets_owner}],
    ['grant execute on function pets.pet_count(uuid, text, text, text, date, date, text) to public', 'listing', 'revoke execute on function pets.pet_count(uuid, text, text, text, date, date, text) from public'],
    ['grant select (notes) on pets.pet to pets_search',            'listing',  'revoke select (notes) on pets.pet from pets_search'],
    ['alter function pets.pet_count(uuid, text, text, text, date, date, text) owner to pets_owner', 'listing', 'alter function pets.pet_count(uuid, text, text, text, date, date, text) owner to pets_search'],
    ['grant usage on schema pets_trgm to public',                  'listing',  'revoke usage on schema pets_trgm from public'],
    ['grant update (created_at), delete on pets.idempotency_key to pets_api', 'idempotency', 'revoke delete on pets.idempotency_key from pets_api'],
    ['grant select (key) on pets.idempotency_key to pets_auth',    'idempotency', 'revoke select (key) on pets.idempotency_key from pets_auth'],
    ['alter function pets.prune_idempotency_keys(integer) security invoker', 'idempotency', 'alter function pets.prune_idempotency_keys(integer) security definer'],
    ['grant select (email) on pets.registration to pets_prune',    'prune',    'revoke select (email) on pets.registration from pets_prune'],
    ['grant delete on pets.pet to pets_prune',                     'prune',    'revoke delete on pets.pet from pets_prune'],
    ['alter policy prune_lock on pets.session with check (true)',  'prune',    'alter policy prune_lock on pets.session with check (false)'],
    ['alter policy prune_delete on pets.api_key using (true)',     'prune',    'alter policy prune_delete on pets.api_key using ((least(expires_at, revoked_at) < now()) is true)'],
    ['drop index pets.session_over_idx',                           'prune',    'create index session_over_idx on pets.session (least(expires_at, revoked_at)); alter table pets.session owner to pets_owner'],
    ['grant execute on function pets.prune_idempotency_keys(integer) to pets_ops', 'prune', 'revoke execute on function pets.prune_idempotency_keys(integer) from pets_ops'],
    ['drop index pets.idempotency_key_created_at_idx',             'idempotency', 'create index idempotency_key_created_at_idx on pets.idempotency_key (created_at); alter table pets.idempotency_key owner to pets_owner'],
    ['grant execute on function pets.refuse_taken(text[]) to public', 'batch', 'revoke execute on function pets.refuse_taken(text[]) from public'],
    ['grant select on pets.deleted_pet to pets_api',               'restore',  'revoke select on pets.deleted_pet from pets_api'],
    ['alter function pets.restore_pet(uuid) reset search_path',    'restore',  'alter function pets.restore_pet(uuid) set search_path = pg_catalog, pg_temp'],
    ['grant execute on function pets.prune_deleted_pets(integer) to pets_api', 'restore', 'revoke execute on function pets.prune_deleted_pets(integer) from pets_api'],
    ['grant update (owner_id) on pets.pet to pets_api',            'transfer', 'revoke update (owner_id) on pets.pet from pets_api'],
    ['grant delete on pets.transfer to pets_api',                  'transfer', 'revoke delete on pets.transfer from pets_api'],
    ['alter function pets.own_account() security invoker',         'transfer', 'alter function pets.own_account() security definer'],
    ['drop index pets.transfer_pet_open_key',                   'transfer', q{create unique index transfer_pet_open_key on pets.transfer (pet_id) where ended_at is null; alter table pets.transfer owner to pets_owner}],
    ['grant insert (trace_id) on pets.audit_event to pets_api',    'trace',    'revoke insert (trace_id) on pets.audit_event from pets_api'],
    ['grant select (committer_email) on sqitch.changes to pets_ops', 'registry', 'revoke select (committer_email) on sqitch.changes from pets_ops'],
    ['revoke usage on schema sqitch from pets_ops',                'registry', 'grant usage on schema sqitch to pets_ops'],
    ['alter table pets.audit_event alter column trace_id drop default', 'trace', q{alter table pets.audit_event alter column trace_id set default nullif(current_setting('pets.trace_id', true), '')}],
);

subtest 'verify scripts can fail' => sub {
    my $dbh    = $pg->dbh;
    my $verify = sub ($change) {
        eval { $dbh->do(slurp(src() . "/sql/schema/verify/$change.sql")) };
        my $why = $@;
        $dbh->do('rollback');
        return $why;
    };
    for my $case (@tampering) {
        my ($deed, $change, $undo) = @$case;
        $dbh->do($deed);
        like $verify->($change), qr/ERROR/, "$change: $deed";
        $dbh->do($undo);
        is $verify->($change), '', "$change: is good again";
    }
};

$pg->set_password($_) for qw(pets_api pets_auth pets_ops pets_mail pets_prune);
my %pool_of = (pets_api => 'api', pets_auth => 'auth', pets_ops => 'ops', pets_mail => 'mail', pets_prune => 'prune');

subtest 'statements and roles' => sub {
    for my $role (sort keys %pool_of) {
        my $dbh = $pg->dbh($role);
        for my $statement (map { statements()->{$_} } sort keys statements()->%*) {
            my ($name, @params) = ($statement->{name}, $statement->{params}->@*);
            my $types = @params ? '(' . join(', ', map { $_->[1] } @params) . ')' : '';
            my $mine  = grep { $_ eq $pool_of{$role} } $statement->{pools}->@*;
            my $right = eval { $dbh->do("prepare $name $types as $statement->{sql}"); 1 };
            if ($mine) {
                ok $right, "$role prepares $name" or diag $@;
            }
            next if !$right;    # it may not even name the tables

            # Nulls go nowhere, but privileges are looked at first.
            eval { $dbh->do("execute $name" . (@params ? '(' . join(', ', ('null') x @params) . ')' : '')) };
            my $refused = $@ =~ /permission denied/;
            if ($mine) {
                ok !$refused, "$role may run $name" or diag $@;
            }
            elsif ($name =~ /\A(?:login_failed|operator_event|password_change_failed)\z/) {
                # It only adds to the record, which everybody may; the api pool not without an identity.
                like $@, qr/row-level security/, "$role may not run $name" if $role eq 'pets_api';
            }
            elsif ($name eq 'trace') {
                # It touches nothing but a setting of the transaction, which everybody may.
                ok !$refused, "$role may run $name, and gets nothing by it";
            }
            elsif ($role =~ /\Apets_(?:auth|ops)\z/ && $statement->{pools}[0] =~ /\A(?:auth|ops)\z/) {
                # Both look after accounts and sessions and have many of the same columns; row-level security says
                # whose rows, and t/data/privileges.golden which columns.
                pass "$role may well run $name" if !$refused;
            }
            elsif ($role eq 'pets_auth' && $name =~ /\Aprune_(?:login_challenges|registrations|reset_links|second_factors)\z/) {
                # What nobody has an identity for yet it removes on its way, by the same key.
                pass "$role may well run $name" if !$refused;
            }
            else {
                ok $refused, "$role may not run $name" or diag $@;
            }
        }
    }
};

subtest 'headers tell the truth' => sub {
    for my $statement (map { statements()->{$_} } sort keys statements()->%*) {
        my $name = $statement->{name};
        my $dbh  = $pg->dbh("pets_$statement->{pools}[0]");
        my $types = join ', ', map { $_->[1] } $statement->{params}->@*;
        $dbh->do("prepare $name " . ($types ? "($types)" : '') . " as $statement->{sql}");
        my ($found) = $dbh->selectrow_array('select parameter_types::regtype[]::oid[]::text from pg_prepared_statements where name = ?', undef, $name);
        my $wanted = $dbh->selectrow_array('select array(select to_regtype(t)::oid from unnest(?::text[]) with ordinality as u (t, n) order by n)::text', undef,
            [map { $_->[1] } $statement->{params}->@*]);
        is $found, $wanted, "$name: types of parameters";
        $dbh->begin_work;
        my $sth = $dbh->prepare($statement->{sql}, { pg_prepare_now => 1 });
        my %short = (int4 => 'integer', bool => 'boolean', timestamptz => 'timestamp with time zone');
        my @columns = map { [$_->[0], $short{ $_->[1] } // $_->[1]] } $statement->{columns}->@*;
        my @real;
        # The only way to learn of columns without rows.
        if (@columns && $statement->{sql} !~ /\A\s*insert/) {
            eval { $sth->execute((undef) x $statement->{params}->@*); 1 };
            if (!$@) {
                my @oids = $sth->{pg_type}->@*;
                @real = map { [$sth->{NAME}[$_], $oids[$_] =~ s/\A_(.*)/$1\[]/r] } 0 .. $#oids;
                @real = map { [$_->[0], $short{ $_->[1] } // $_->[1]] } @real;
                is_deeply \@real, \@columns, "$name: columns";
            }
        }
        $dbh->rollback;
    }
};

done_testing;
