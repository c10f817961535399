-- Verify pets:transfer on pg

begin;

select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, to_email_key, state,
       created_at, expires_at, ended_at
from pets.transfer where false;

do $$
declare
  accept constant text := 'pets.accept_transfer(uuid)';
  own constant text := 'pets.own_account()';
  prune constant text := 'pets.prune_transfers(integer)';
begin
  if (select count(*) from pg_catalog.pg_proc
      where oid in (to_regprocedure(accept), to_regprocedure(own), to_regprocedure(prune))
        and prosecdef
        and proowner = 'pets_owner'::regrole
        and proconfig @> array['search_path=pg_catalog, pg_temp']) <> 3 then
    raise exception 'a function of transfer is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_api', accept, 'execute')
     or not has_function_privilege('pets_api', own, 'execute')
     or has_function_privilege('pets_ops', accept, 'execute')
     or has_function_privilege('pets_api', prune, 'execute')
     or has_function_privilege('public', accept, 'execute')
     or has_function_privilege('public', own, 'execute')
     or has_function_privilege('public', prune, 'execute') then
    raise exception 'a function of transfer is for somebody else';
  end if;
  if has_column_privilege('pets_api', 'pets.pet', 'owner_id', 'update')
     or has_column_privilege('pets_api', 'pets.transfer', 'to_id', 'update')
     or has_column_privilege('pets_api', 'pets.transfer', 'state', 'insert')
     or has_table_privilege('pets_api', 'pets.transfer', 'delete')
     or has_any_column_privilege('pets_auth', 'pets.transfer', 'select, insert, update')
     or has_any_column_privilege('pets_ops', 'pets.transfer', 'select, insert, update') then
    raise exception 'somebody may do too much to transfer';
  end if;
  if (select count(*) from pg_catalog.pg_indexes
      where schemaname = 'pets'
        and indexname in ('transfer_pet_open_key', 'transfer_from_id_idx', 'transfer_to_id_idx',
                          'transfer_to_email_idx', 'transfer_from_open_idx',
                          'transfer_expires_at_idx')) <> 6 then
    raise exception 'an index of transfer is missing';
  end if;
end
$$;

rollback;
