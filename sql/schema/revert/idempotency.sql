-- Revert pets:idempotency from pg

begin;

set local role pets_owner;

drop function pets.prune_idempotency_keys(integer);
drop function pets.undo();
drop function pets.idempotency_begin(uuid, text, bytea);
drop table pets.idempotency_key;

commit;
