-- Verify pets:batch on pg

begin;

do $$
declare
  signature constant text := 'pets.refuse_taken(text[])';
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(signature)
      and not prosecdef
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function refuse_taken is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_api', signature, 'execute')
     or has_function_privilege('public', signature, 'execute') then
    raise exception 'refuse_taken() is not for exactly the pool api';
  end if;
end
$$;

rollback;
