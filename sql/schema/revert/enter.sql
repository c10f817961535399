-- Revert pets:enter from pg

begin;

drop function pets.enter(uuid, uuid, text, boolean, integer);

commit;
