-- Verify pets:proof on pg

begin;

do $$
declare
  hold constant text := 'pets.hold_credential(uuid, integer)';
  finish constant text := 'pets.end_sessions(uuid, uuid)';
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(hold)
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception '% is missing, or is not what it was', hold;
  end if;
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(finish)
      and not prosecdef
      and provolatile = 'v'
  ) then
    raise exception '% is missing, or would see too little or do too much', finish;
  end if;
  if has_function_privilege('pets_api', hold, 'execute')
     or has_function_privilege('pets_ops', hold, 'execute')
     or has_function_privilege('pets_api', finish, 'execute') then
    raise exception 'another pool may execute % or %', hold, finish;
  end if;
  if (select count(*) from pg_catalog.pg_policies
      where schemaname = 'pets' and policyname = 'owner_hold' and with_check = 'false') <> 2 then
    raise exception 'the owner may do more than hold accounts and credentials, or cannot';
  end if;
end
$$;

rollback;
