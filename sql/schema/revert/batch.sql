-- Revert pets:batch from pg

begin;

set local role pets_owner;

drop function pets.refuse_taken(text[]);

commit;
