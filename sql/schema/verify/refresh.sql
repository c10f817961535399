-- Verify pets:refresh on pg

begin;

do $$
declare
  signature constant text :=
    'pets.refresh(uuid,integer,bytea,boolean,text[],bytea[],boolean,integer,integer,text,inet,text,text)';
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(signature)
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function refresh is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_auth', signature, 'execute')
     or has_function_privilege('pets_api', signature, 'execute')
     or has_function_privilege('pets_ops', signature, 'execute')
     or has_function_privilege('public', signature, 'execute') then
    raise exception 'refresh() is not for exactly the pool auth';
  end if;
  if (select count(*) from pg_catalog.pg_policies
      where schemaname = 'pets' and policyname = 'owner_refresh') <> 2 then
    raise exception 'a policy of the owner is missing';
  end if;
end
$$;

rollback;
