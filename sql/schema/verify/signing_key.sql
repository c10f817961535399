-- Verify pets:signing_key on pg

begin;

select kid, signed_at from pets.signing_key where false;

do $$
declare
  name text;
begin
  foreach name in array array['pets.signing_key_note(text)', 'pets.signing_key_used(text)'] loop
    if not exists (
      select from pg_catalog.pg_proc
      where oid = to_regprocedure(name)
        and prosecdef
        and proconfig @> array['search_path=pg_catalog, pg_temp']
    ) then
      raise exception '% is missing, or is no security definer with a fixed search_path', name;
    end if;
    if not has_function_privilege('pets_auth', name, 'execute')
       or has_function_privilege('pets_api', name, 'execute')
       or has_function_privilege('pets_ops', name, 'execute') then
      raise exception '% is not for exactly the pool auth', name;
    end if;
  end loop;
  if has_any_column_privilege('pets_auth', 'pets.signing_key', 'select, insert, update') then
    raise exception 'pets_auth may touch signing_key directly';
  end if;
end
$$;

rollback;
