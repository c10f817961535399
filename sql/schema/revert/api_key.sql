-- Revert pets:api_key from pg

begin;

set local role pets_owner;

drop function pets.enter_key(uuid, uuid, bytea, text);
drop table pets.api_key;

commit;
