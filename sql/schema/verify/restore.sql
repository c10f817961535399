-- Verify pets:restore on pg

begin;

select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
       created_at, updated_at, version, deleted_at, gone_at
from pets.deleted_pet where false;

do $$
declare
  restore constant text := 'pets.restore_pet(uuid)';
  prune constant text := 'pets.prune_deleted_pets(integer)';
begin
  if (select count(*) from pg_catalog.pg_proc
      where oid in (to_regprocedure(restore), to_regprocedure(prune))
        and prosecdef
        and proowner = 'pets_owner'::regrole
        and proconfig @> array['search_path=pg_catalog, pg_temp']) <> 2 then
    raise exception 'restore_pet() or prune_deleted_pets() is missing, or is not what it was';
  end if;
  if not has_function_privilege('pets_api', restore, 'execute')
     or has_function_privilege('pets_ops', restore, 'execute')
     or has_function_privilege('pets_api', prune, 'execute')
     or has_function_privilege('public', restore, 'execute')
     or has_function_privilege('public', prune, 'execute') then
    raise exception 'restore_pet() or prune_deleted_pets() is for somebody else';
  end if;
  if has_any_column_privilege('pets_api', 'pets.deleted_pet', 'select, update')
     or has_table_privilege('pets_api', 'pets.deleted_pet', 'delete')
     or has_any_column_privilege('pets_auth', 'pets.deleted_pet', 'select, insert, update')
     or has_any_column_privilege('pets_ops', 'pets.deleted_pet', 'select, insert, update') then
    raise exception 'somebody may do too much to deleted_pet';
  end if;
  if to_regclass('pets.deleted_pet_gone_at_idx') is null
     or to_regclass('pets.deleted_pet_owner_id_idx') is null then
    raise exception 'an index of deleted_pet is missing';
  end if;
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'pets.pet_history'::regclass
      and conname = 'pet_history_action_known'
      and pg_get_constraintdef(oid) like '%restore%'
  ) then
    raise exception 'the history does not know of restored pets';
  end if;
end
$$;

rollback;
