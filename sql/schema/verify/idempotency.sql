-- Verify pets:idempotency on pg

begin;

select account_id, key, fingerprint, route, status, location, version, body, created_at
from pets.idempotency_key where false;

do $$
declare
  prune constant text := 'pets.prune_idempotency_keys(integer)';
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conrelid = 'pets.idempotency_key'::regclass
        and conname in ('idempotency_key_pkey', 'idempotency_key_key_size',
                        'idempotency_key_fingerprint_size', 'idempotency_key_status_success',
                        'idempotency_key_body_size')) <> 5 then
    raise exception 'a constraint of idempotency_key is missing';
  end if;
  if to_regclass('pets.idempotency_key_created_at_idx') is null then
    raise exception 'index idempotency_key_created_at_idx is missing';
  end if;
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure('pets.idempotency_begin(uuid,text,bytea)')
      and not prosecdef
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) or not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure(prune)
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'a function of idempotency is missing, or is not what it was';
  end if;
  if has_function_privilege('pets_api', prune, 'execute')
     or has_function_privilege('pets_auth', prune, 'execute')
     or has_function_privilege('public', prune, 'execute') then
    raise exception 'prune_idempotency_keys() is for the tools alone';
  end if;
  if has_table_privilege('pets_api', 'pets.idempotency_key', 'delete')
     or has_column_privilege('pets_api', 'pets.idempotency_key', 'created_at', 'insert')
     or has_any_column_privilege('pets_auth', 'pets.idempotency_key', 'select, insert, update')
     or has_any_column_privilege('pets_ops', 'pets.idempotency_key', 'select, insert, update') then
    raise exception 'somebody may do too much to idempotency_key';
  end if;
end
$$;

rollback;
