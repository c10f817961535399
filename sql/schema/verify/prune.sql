-- Verify pets:prune on pg

begin;

do $$
declare
  wanted constant text[] := array[
    'search_path=pets, pg_temp', 'TimeZone=UTC', 'row_security=on',
    'plan_cache_mode=force_generic_plan', 'jit=off',
    'enable_seqscan=off', 'enable_bitmapscan=off',
    'default_transaction_isolation=read committed',
    'idle_in_transaction_session_timeout=10s', 'lock_timeout=2s',
    'client_min_messages=warning'];
  missing text;
begin
  if not exists (
    select from pg_catalog.pg_roles r
    join pg_catalog.pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0
    where rolname = 'pets_prune'
      and rolcanlogin
      and not (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
      and setconfig @> wanted
  ) then
    raise exception 'role pets_prune is missing, lacks a setting, or may do too much';
  end if;
  if exists (
    select from pg_catalog.pg_auth_members
    where member = 'pets_prune'::regrole or roleid = 'pets_prune'::regrole
  ) then
    raise exception 'role pets_prune is a member of a role, or has members';
  end if;
  select string_agg(name, ', ') into missing
  from unnest(array['mail_outbox_over_idx', 'session_over_idx', 'api_key_over_idx',
                    'login_challenge_over_idx', 'totp_begun_idx']) name
  where to_regclass('pets.' || name) is null;
  if missing is not null then
    raise exception 'an index is missing: %', missing;
  end if;

  -- It deletes where a policy says what is over, and nowhere else; and changes nothing.
  if exists (
    select from pg_catalog.pg_class c
    where c.relnamespace = 'pets'::regnamespace and c.relkind = 'r'
      and (has_table_privilege('pets_prune', c.oid, 'delete') <>
             exists (select from pg_catalog.pg_policy
                     where polrelid = c.oid and polname = 'prune_delete'
                       and pg_get_expr(polqual, polrelid) <> 'true')
           or has_table_privilege('pets_prune', c.oid, 'truncate, trigger'))
  ) then
    raise exception 'pets_prune may delete what no policy has judged';
  end if;
  if exists (
    select from pg_catalog.pg_policy
    where polroles @> array['pets_prune'::regrole::oid]
      and polcmd not in ('r', 'd')
      and not (polcmd = 'w' and pg_get_expr(polwithcheck, polrelid) = 'false')
      and not (polcmd = 'a' and polrelid = 'pets.audit_event'::regclass)
  ) then
    raise exception 'pets_prune may change something';
  end if;
  if has_any_column_privilege('pets_prune', 'pets.account', 'select, insert, update')
     or has_any_column_privilege('pets_prune', 'pets.credential', 'select, insert, update')
     or has_column_privilege('pets_prune', 'pets.registration', 'email', 'select')
     or has_column_privilege('pets_prune', 'pets.session', 'account_id', 'select')
     or has_column_privilege('pets_prune', 'pets.totp', 'secret', 'select')
     or has_any_column_privilege('pets_prune', 'pets.audit_event', 'select, update') then
    raise exception 'pets_prune may see or do too much';
  end if;
  if exists (
    select from unnest(array['idempotency_keys', 'deleted_pets', 'transfers']) what,
                unnest(array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail', 'pets_prune']) who
    where has_function_privilege(who, format('pets.prune_%s(integer)', what), 'execute')
          <> (who = 'pets_prune')
  ) then
    raise exception 'a function that prunes is not for exactly the job';
  end if;
end
$$;

rollback;
