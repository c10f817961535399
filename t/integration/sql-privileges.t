# Who may do what, all of it, against t/data/privileges.golden: role attributes and settings, every effective
# privilege of every role and of public on the database, its schemas, tables, columns, sequences, functions
# and types, and every policy. A change of privileges is a change of that file, which a reviewer reads.
#
# To write it anew after a wanted change:   PETS_GOLDEN=write ./t/run sql-privileges
# (or: PETS_GOLDEN=write prove -It/lib t/integration/sql-privileges.t)
use v5.36;
use Test::More;
use Pets::Cluster;
use Pets::Env qw(src slurp spew test_dir);

my $golden = src() . '/t/data/privileges.golden';
my $pg     = Pets::Cluster->new(dir => test_dir() . '/pg')->start;

# Effective privileges are asked of the has_..._privilege functions, so what comes through public or through
# a membership is seen as well; the owner's are of no interest, he has them all.
my $found = $pg->psql(<<~'END');
    set search_path = pg_catalog;
    create temporary view who as
      select unnest(array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail', 'pets_prune', 'pets_search', 'public']) as who;
    create temporary view relation as
      select oid, relname, relkind from pg_class
      where relnamespace = 'pets'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S');

    select '# Made by sql-privileges.t, which says how. Reviewed by people.';
    select '';
    select format('role %s: %s', rolname, concat_ws(' ',
             case when rolcanlogin then 'login' else 'nologin' end, case when rolinherit then 'inherit' else 'noinherit' end,
             case when rolsuper then 'SUPERUSER' end, case when rolcreaterole then 'CREATEROLE' end,
             case when rolcreatedb then 'CREATEDB' end, case when rolreplication then 'REPLICATION' end,
             case when rolbypassrls then 'BYPASSRLS' end,
             (select 'member of ' || string_agg(roleid::regrole::text, ' ' order by roleid::regrole::text)
              from pg_auth_members where member = r.oid)))
    from pg_roles r where rolname like 'pets%' order by rolname;
    select format('setting %s: %s', setrole::regrole, c)
    from pg_db_role_setting, unnest(setconfig) c where setrole::regrole::text like 'pets%' order by 1;

    select '';
    select format('database %s: %s', who, privilege)
    from who, unnest(array['connect', 'create', 'temporary']) privilege
    where has_database_privilege(who, current_database(), privilege) order by 1;
    select format('schema %s %s: %s', nspname, who, privilege)
    from who, pg_namespace, unnest(array['usage', 'create']) privilege
    where nspname in ('pets', 'public', 'sqitch') and has_schema_privilege(who, nspname, privilege) order by 1;
    select format('default for what %s makes: %s %s', defaclrole::regrole, defaclobjtype,
             (select string_agg(case grantee when 0 then 'public' else grantee::regrole::text end || ' ' || privilege_type, ', ' order by grantee, privilege_type)
              from aclexplode(defaclacl)))
    from pg_default_acl order by 1;
    select format('other owner: %s %s', relname, relowner::regrole)
    from pg_class where relnamespace = 'pets'::regnamespace and relowner <> 'pets_owner'::regrole order by 1;

    select '';
    select format('table %s %s: %s', relname, who, string_agg(privilege, ' ' order by privilege))
    from who, relation, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
    where relkind <> 'S' and has_table_privilege(who, oid, privilege) group by relname, who order by 1;
    select format('table %s %s: %s (%s)', relname, who, privilege, string_agg(attname, ' ' order by attnum))
    from who, relation join pg_attribute on attrelid = oid and not attisdropped,
         unnest(array['select', 'insert', 'update', 'references']) privilege
    where relkind <> 'S' and has_column_privilege(who, oid, attnum, privilege)
    group by relname, who, privilege order by 1;
    select format('sequence %s %s: %s', relname, who, privilege)
    from who, relation, unnest(array['usage', 'select', 'update']) privilege
    where relkind = 'S' and has_sequence_privilege(who, oid, privilege) order by 1;
    select format('function %s: %s, %s; %s', p.oid::regprocedure, case when prosecdef then 'security definer' else 'security invoker' end,
             array_to_string(proconfig, '; '),
             coalesce((select string_agg(who, ' ' order by who) from who where has_function_privilege(who, p.oid, 'execute')), 'nobody'))
    from pg_proc p where pronamespace = 'pets'::regnamespace order by 1;
    select format('type %s %s: usage', t.oid::regtype, who)
    from who, pg_type t
    where typnamespace = 'pets'::regnamespace and typtype in ('d', 'e', 'r') and has_type_privilege(who, t.oid, 'usage') order by 1;

    select '';
    select format('security %s: %s, %s', relname, case when relrowsecurity then 'on' else 'OFF' end,
             case when relforcerowsecurity then 'forced' else 'NOT FORCED' end)
    from pg_class where relnamespace = 'pets'::regnamespace and relkind in ('r', 'p') order by 1;
    select format(E'policy %s %s: %s %s to %s\n    using: %s\n    check: %s', tablename, policyname, lower(permissive), lower(cmd),
             array_to_string(roles, ' '), regexp_replace(coalesce(qual, '-'), '\s+', ' ', 'g'), regexp_replace(coalesce(with_check, '-'), '\s+', ' ', 'g'))
    from pg_policies where schemaname = 'pets' order by 1;
    END
$found .= "\n";

if (($ENV{PETS_GOLDEN} // '') eq 'write') {
    spew($golden, $found);
    diag "written: $golden";
}
my $wanted = -e $golden ? slurp($golden) : '';
my %wanted = map { $_ => 1 } split /\n/, $wanted;
my %found  = map { $_ => 1 } split /\n/, $found;
is join("\n", sort grep { !$wanted{$_} } keys %found), '', 'nothing is there that the golden file does not have';
is join("\n", sort grep { !$found{$_} } keys %wanted), '', 'nothing is missing that the golden file has';
is $found, $wanted, 'all is as in t/data/privileges.golden';

# A golden file can be made anew without being read; these sentences cannot.
unlike $found, qr/^(?:database|schema|table|sequence|type) .*\bpublic:/m, 'public has nothing';
unlike $found, qr/^table (?:account|credential|session) pets_api/m,       'the api pool has nothing on accounts, credentials and sessions';
unlike $found, qr/^table pet\w* pets_(?:auth|ops)/m,                      'the others have nothing on pets';
unlike $found, qr/^table credential pets_ops: (?!insert)/m,               'only the auth pool reads credentials';
unlike $found, qr/^(?:table (?!mail_outbox)\S+|function \S+) pets_mail:/m,              'the sender of mail knows the outbox alone';
unlike $found, qr/^table (?!audit_event|throttle)\S+ pets_prune: (?:insert|select \((?!(?:ctid |\w*id |token_hash )*(?:(?:created|expires|revoked|sent|failed|confirmed)_at|last_seen)\b))/m, 'the job sees when a row has ended';
unlike $found, qr/^policy \S+ prune_(?:delete|lock): .*\n +using: true/m,  'and deletes by a condition';
unlike $found, qr/^table audit_event \S+ (?!insert)/m,                    'the record can only be added to';
unlike $found, qr/^table (?:totp|recovery_code|login_challenge) pets_(?!auth|ops|prune)/m, 'only the auth pool and the operator have to do with second factors';
unlike $found, qr/^table (?:recovery_code|login_challenge) pets_ops|^table totp pets_ops: (?:insert|.*\bsecret\b)/m, 'and the operator takes them away, no more';
unlike $found, qr/^table account pets_auth: insert \([^)]*\b(?:role|state)\b/m, 'the auth pool cannot choose the role or state of a new account';
like $found, qr/^policy account auth_update: permissive update to pets_auth\n +using: \(\( SELECT current_setting\('pets\.role'::text, true\) AS current_setting\) = 'ADMIN'::text\)$/m, 'and changes them for an administrator alone';
unlike $found, qr/^security (?!schema_version).*(?:OFF|NOT FORCED)/m,     'row-level security is forced wherever people are';
unlike $found, qr/SUPERUSER|CREATEROLE|CREATEDB|REPLICATION|BYPASSRLS/, 'no role has an attribute that it should not have';

done_testing;
