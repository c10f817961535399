-- Revert pets:refusal from pg

begin;

drop function pets.audit_refusal(uuid, uuid, bytea, text, text, text, uuid, text, inet);

commit;
