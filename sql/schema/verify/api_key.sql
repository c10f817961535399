-- Verify pets:api_key on pg

begin;

select id, account_id, name, scopes, key_hash, created_at, expires_at, last_used_at, revoked_at
from pets.api_key where false;

do $$
declare
  signature constant text := 'pets.enter_key(uuid,uuid,bytea,text)';
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(signature)
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function enter_key is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_api', signature, 'execute')
     or has_function_privilege('pets_auth', signature, 'execute')
     or has_function_privilege('pets_ops', signature, 'execute')
     or has_function_privilege('public', signature, 'execute') then
    raise exception 'enter_key() is not for exactly the pool api';
  end if;
  if has_any_column_privilege('pets_api', 'pets.api_key', 'select, insert, update')
     or has_column_privilege('pets_auth', 'pets.api_key', 'key_hash', 'select, update') then
    raise exception 'a pool may do too much to api_key';
  end if;
  if to_regclass('pets.api_key_account_id_idx') is null then
    raise exception 'index api_key_account_id_idx is missing';
  end if;
end
$$;

rollback;
