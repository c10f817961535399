-- Revert pets:pets from pg

begin;

drop table pets.pet_history;
drop table pets.pet;
drop domain pets.tag;

commit;
