-- Verify pets:throttle on pg

begin;

select id, empty_at from pets.throttle where false;
select account_id, network, last_seen from pets.known_network where false;

do $$
begin
  if (select relpersistence from pg_catalog.pg_class
      where oid = 'pets.throttle'::regclass) <> 'u' then
    raise exception 'throttle is not unlogged: every attempt to log in would wait for the disk';
  end if;
  if to_regclass('pets.known_network_last_seen_idx') is null then
    raise exception 'index known_network_last_seen_idx is missing';
  end if;
  if exists (
    select from pg_catalog.pg_proc
    where pronamespace = 'pets'::regnamespace
      and proname in ('throttle_take', 'throttle_give', 'throttle_known')
      and not (prosecdef and 'search_path=pg_catalog, pg_temp' = any (proconfig))
  ) then
    raise exception 'a function of throttle is not a security definer with a fixed search_path';
  end if;
  if exists (
    select from unnest(array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail']) role,
                unnest(array['pets.throttle', 'pets.known_network']) t
    where has_any_column_privilege(role, t, 'select, insert, update, references')
       or has_table_privilege(role, t, 'delete, truncate, trigger')
  ) then
    raise exception 'somebody may touch throttle or known_network directly';
  end if;
end
$$;

rollback;
