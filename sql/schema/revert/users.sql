-- Revert pets:users from pg

begin;

set local role pets_owner;

revoke update (display_name, role, state, updated_at, version) on pets.account from pets_auth;
drop policy auth_look on pets.api_key;
drop policy auth_revoke on pets.session;
drop policy auth_update on pets.account;

commit;
