-- Revert pets:audit from pg

begin;

drop table pets.audit_event;
drop function pets.refuse_change();

commit;
