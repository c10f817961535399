-- Verify pets:watch on pg

begin;

do $$
declare
  found text;
begin
  if not exists (
    select from pg_catalog.pg_roles r
    join pg_catalog.pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0
    where rolname = 'pets_watch'
      and rolcanlogin
      and not (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
      and setconfig @> array['search_path=pg_catalog, pg_temp', 'TimeZone=UTC', 'jit=off', 'default_transaction_read_only=on',
                             'statement_timeout=30s', 'lock_timeout=2s']
  ) then
    raise exception 'role pets_watch is missing, lacks a setting, or may do too much';
  end if;
  if exists (
    select from pg_catalog.pg_auth_members
    where member = 'pets_watch'::regrole or roleid = 'pets_watch'::regrole
  ) then
    raise exception 'role pets_watch is a member of a role, or has members';
  end if;
  if has_schema_privilege('pets_watch', 'pets', 'usage') then
    raise exception 'pets_watch may look into schema pets';
  end if;
  select string_agg(relname, ', ')
  into found
  from pg_catalog.pg_class
  where relnamespace = 'pets'::regnamespace and relkind in ('r', 'p', 'v', 'm')
    and has_any_column_privilege('pets_watch', oid, 'select, insert, update');
  if found is not null then
    raise exception 'pets_watch may do something with: %', found;
  end if;
  select string_agg(attname, ' ' order by attname)
  into found
  from pg_catalog.pg_attribute
  where attrelid = 'sqitch.changes'::regclass and attnum > 0
    and has_column_privilege('pets_watch', attrelid, attnum, 'select');
  if found is distinct from 'change project' then
    raise exception 'of sqitch.changes pets_watch may see: %', found;
  end if;
end
$$;

rollback;
