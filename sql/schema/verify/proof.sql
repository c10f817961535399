-- Verify pets:proof on pg

begin;

do $$
declare
  hold constant text := 'pets.hold_credential(uuid, integer)';
  finish constant text := 'pets.end_sessions(uuid, uuid)';
begin
  if (select count(*) from pg_catalog.pg_proc
      where oid in (to_regprocedure(hold), to_regprocedure(finish))
        and not prosecdef
        and provolatile = 'v') <> 2
     or (select count(*) from pg_catalog.pg_proc
         where oid in (to_regprocedure('pets.hold_session(uuid)'), to_regprocedure('pets.end_keys(uuid)'))
           and not prosecdef
           and provolatile = 'v') <> 2 then
    raise exception 'a function is missing, or would see too little or do too much';
  end if;
  if has_function_privilege('pets_api', hold, 'execute')
     or has_function_privilege('pets_ops', hold, 'execute')
     or has_function_privilege('pets_api', finish, 'execute') then
    raise exception 'another pool may execute % or %', hold, finish;
  end if;
  if (select count(*) from pg_catalog.pg_policies
      where schemaname = 'pets' and policyname = 'auth_hold' and with_check = 'false') <> 2 then
    raise exception 'pets_auth may do more than hold accounts and credentials, or cannot';
  end if;
end
$$;

rollback;
