-- Revert pets:proof from pg

begin;

drop function pets.hold_session(uuid);
drop function pets.end_keys(uuid);
drop function pets.end_sessions(uuid, uuid);
drop function pets.hold_credential(uuid, integer);
drop policy auth_hold on pets.credential;
drop policy auth_hold on pets.account;

commit;
