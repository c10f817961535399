-- Revert pets:audit from pg

begin;

drop function pets.audit_pet_read(uuid, uuid, text, inet);
drop table pets.audit_event;
drop function pets.refuse_change();

commit;
