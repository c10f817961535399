-- Who may do what in this database, all of it, as lines in a fixed order: attributes and settings of
-- roles, every effective privilege of every role and of public, and every policy. What is wanted is
-- in t/data/privileges.golden; sql-privileges.t and petsctl doctor compare. Everybody may ask this.
--
-- Effective privileges are asked of the has_..._privilege functions, so what comes through public or
-- through a membership is seen as well; the owner's are of no interest, he has them all.

set search_path = pg_catalog;

with who as (
  select unnest(array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail', 'pets_prune', 'pets_watch', 'pets_search', 'public']) as who
), relation as (
  select oid, relname, relkind from pg_class
  where relnamespace = 'pets'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')
), found (part, line) as (
  values (0, '# Made by sql-privileges.t, which says how. Reviewed by people.'), (1, ''), (4, ''), (10, ''), (16, '')

  union all
  select 2, format('role %s: %s', rolname, concat_ws(' ',
           case when rolcanlogin then 'login' else 'nologin' end, case when rolinherit then 'inherit' else 'noinherit' end,
           case when rolsuper then 'SUPERUSER' end, case when rolcreaterole then 'CREATEROLE' end,
           case when rolcreatedb then 'CREATEDB' end, case when rolreplication then 'REPLICATION' end,
           case when rolbypassrls then 'BYPASSRLS' end,
           (select 'member of ' || string_agg(roleid::regrole::text, ' ' order by roleid::regrole::text)
            from pg_auth_members where member = r.oid)))
  from pg_roles r where rolname like 'pets%'
  union all
  select 3, format('setting %s: %s', setrole::regrole, c)
  from pg_db_role_setting, unnest(setconfig) c where setrole::regrole::text like 'pets%'

  union all
  select 5, format('database %s: %s', who, privilege)
  from who, unnest(array['connect', 'create', 'temporary']) privilege
  where has_database_privilege(who, current_database(), privilege)
  union all
  select 6, format('schema %s %s: %s', nspname, who, privilege)
  from who, pg_namespace, unnest(array['usage', 'create']) privilege
  where nspname in ('pets', 'public', 'sqitch') and has_schema_privilege(who, nspname, privilege)
  union all
  select 7, format('default for what %s makes: %s %s', defaclrole::regrole, defaclobjtype,
           (select string_agg(case grantee when 0 then 'public' else grantee::regrole::text end || ' ' || privilege_type, ', ' order by grantee, privilege_type)
            from aclexplode(defaclacl)))
  from pg_default_acl
  union all
  select 8, format('other owner: %s %s', relname, relowner::regrole)
  from pg_class where relnamespace = 'pets'::regnamespace and relowner::regrole::text <> 'pets_owner'
  union all
  select 9, format('sqitch %s %s: %s (%s)', relname, who, privilege, string_agg(attname, ' ' order by attnum))
  from who, pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped,
       unnest(array['select', 'insert', 'update', 'references']) privilege
  where relnamespace in (select oid from pg_namespace where nspname = 'sqitch') and relkind = 'r'
    and has_column_privilege(who, pg_class.oid, attnum, privilege)
  group by relname, who, privilege

  union all
  select 11, format('table %s %s: %s', relname, who, string_agg(privilege, ' ' order by privilege))
  from who, relation, unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
  where relkind <> 'S' and has_table_privilege(who, oid, privilege) group by relname, who
  union all
  select 12, format('table %s %s: %s (%s)', relname, who, privilege, string_agg(attname, ' ' order by attnum))
  from who, relation join pg_attribute on attrelid = oid and not attisdropped,
       unnest(array['select', 'insert', 'update', 'references']) privilege
  where relkind <> 'S' and has_column_privilege(who, oid, attnum, privilege)
  group by relname, who, privilege
  union all
  select 13, format('sequence %s %s: %s', relname, who, privilege)
  from who, relation, unnest(array['usage', 'select', 'update']) privilege
  where relkind = 'S' and has_sequence_privilege(who, oid, privilege)
  union all
  select 14, format('function %s: %s, %s; %s', p.oid::regprocedure, case when prosecdef then 'security definer' else 'security invoker' end,
           array_to_string(proconfig, '; '),
           coalesce((select string_agg(who, ' ' order by who) from who where has_function_privilege(who, p.oid, 'execute')), 'nobody'))
  from pg_proc p where pronamespace = 'pets'::regnamespace
  union all
  select 15, format('type %s %s: usage', t.oid::regtype, who)
  from who, pg_type t
  where typnamespace = 'pets'::regnamespace and typtype in ('d', 'e', 'r') and has_type_privilege(who, t.oid, 'usage')

  union all
  select 17, format('security %s: %s, %s', relname, case when relrowsecurity then 'on' else 'OFF' end,
           case when relforcerowsecurity then 'forced' else 'NOT FORCED' end)
  from pg_class where relnamespace = 'pets'::regnamespace and relkind in ('r', 'p')
  union all
  select 18, format(E'policy %s %s: %s %s to %s\n    using: %s\n    check: %s', tablename, policyname, lower(permissive), lower(cmd),
           array_to_string(roles, ' '), regexp_replace(coalesce(qual, '-'), '\s+', ' ', 'g'), regexp_replace(coalesce(with_check, '-'), '\s+', ' ', 'g'))
  from pg_policies where schemaname = 'pets'
)
select line from found order by part, line collate "C";
