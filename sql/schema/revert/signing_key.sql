-- Revert pets:signing_key from pg

begin;

drop function pets.signing_key_used(text);
drop function pets.signing_key_note(text);
drop table pets.signing_key;

commit;
