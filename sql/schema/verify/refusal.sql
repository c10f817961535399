-- Verify pets:refusal on pg

begin;

do $$
declare
  name constant text :=
    'pets.audit_refusal(uuid, uuid, bytea, text, text, text, uuid, text, inet)';
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(name)
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function audit_refusal is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_auth', name, 'execute')
     or not has_function_privilege('pets_api', name, 'execute')
     or has_function_privilege('pets_ops', name, 'execute')
     or has_function_privilege('public', name, 'execute') then
    raise exception 'audit_refusal() is not for exactly the pools api and auth';
  end if;
end
$$;

rollback;
