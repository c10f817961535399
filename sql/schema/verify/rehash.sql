-- Verify pets:rehash on pg

begin;

do $$
declare
  name constant text := 'pets.rehash(uuid, text, text, text)';
begin
  if not has_function_privilege('pets_auth', name, 'execute') then
    raise exception 'pets_auth may not execute %', name;
  end if;
  if has_function_privilege('pets_api', name, 'execute')
     or has_function_privilege('pets_ops', name, 'execute') then
    raise exception 'another pool may execute %', name;
  end if;
  if (select prosecdef from pg_catalog.pg_proc where oid = to_regprocedure(name)) then
    raise exception '% has the privileges of its owner', name;
  end if;
end
$$;

rollback;
