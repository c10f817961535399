-- Revert pets:refresh from pg

begin;

set local role pets_owner;

drop function pets.refresh(
  uuid, integer, bytea, boolean, text[], bytea[], boolean, integer, integer, text, inet, text,
  text);
drop policy owner_refresh on pets.audit_event;
drop policy owner_refresh on pets.session;

commit;
