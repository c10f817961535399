-- Revert pets:rehash from pg

begin;

drop function pets.rehash(uuid, text, text, text);

commit;
