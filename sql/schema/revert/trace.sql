-- Revert pets:trace from pg

begin;

set local role pets_owner;

alter table pets.audit_event drop column trace_id;

commit;
