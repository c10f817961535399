-- Revert pets:transfer from pg
--
-- Lines of history that tell of transfers stay.

begin;

set local role pets_owner;

drop policy owner_accept on pets.pet;
drop policy owner_offered on pets.pet;
drop function pets.prune_transfers(integer);
drop function pets.accept_transfer(uuid);
drop table pets.transfer;
drop function pets.own_account();

alter table pets.pet_history
  drop constraint pet_history_action_known,
  add constraint pet_history_action_known check (
    action in ('create', 'update', 'delete', 'restore')) not valid;

commit;
