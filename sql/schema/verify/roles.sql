-- Verify pets:roles on pg

begin;

do $$
declare
  name text;
  wanted constant text[] := array[
    'search_path=pets, pg_temp', 'TimeZone=UTC', 'row_security=on',
    'plan_cache_mode=force_generic_plan', 'jit=off',
    'enable_seqscan=off', 'enable_bitmapscan=off',
    'default_transaction_isolation=read committed',
    'idle_in_transaction_session_timeout=10s', 'lock_timeout=2s',
    'client_min_messages=warning'];
begin
  foreach name in array array['pets_owner', 'pets_api', 'pets_auth', 'pets_ops', 'pets_mail'] loop
    if not exists (
      select from pg_catalog.pg_roles
      where rolname = name
        and rolcanlogin = (name <> 'pets_owner')
        and not (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
    ) then
      raise exception 'role % is missing or may do too much', name;
    end if;
  end loop;
  foreach name in array array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail'] loop
    if exists (
      select from pg_catalog.pg_auth_members
      where member = name::regrole or roleid = name::regrole
    ) then
      raise exception 'role % is a member of a role, or has members', name;
    end if;
    if not exists (
      select from pg_catalog.pg_db_role_setting
      where setrole = name::regrole and setdatabase = 0 and setconfig @> wanted
    ) then
      raise exception 'role % lacks one of its settings', name;
    end if;
  end loop;
end
$$;

rollback;
