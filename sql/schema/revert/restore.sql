-- Revert pets:restore from pg
--
-- What is kept aside is lost; lines of history that tell of restored pets stay.

begin;

set local role pets_owner;

drop policy owner_prune on pets.audit_event;
drop policy owner_prune on pets.pet_history;
drop policy owner_insert on pets.pet;
drop policy owner_select on pets.pet;
drop function pets.prune_deleted_pets(integer);
drop function pets.restore_pet(uuid);
drop table pets.deleted_pet;

alter table pets.pet_history
  drop constraint pet_history_action_known,
  drop constraint pet_history_old_present,
  add constraint pet_history_action_known check (action in ('create', 'update', 'delete')) not valid,
  add constraint pet_history_old_present check ((old is null) = (action = 'create')) not valid;

commit;
