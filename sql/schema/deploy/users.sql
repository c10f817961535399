-- Deploy pets:users to pg
--
-- What an administrator may do to people through the auth pool: change name, role
-- and state, and end their sessions and API keys (policy auth_update of api_key). Who is
-- an administrator is decided by enter(), which leaves the role in pets.role.

begin;

set local role pets_owner;

create policy auth_update on pets.account
for update to pets_auth
using ((select current_setting('pets.role', true)) = 'ADMIN');

create policy auth_revoke on pets.session
for update to pets_auth
using ((select current_setting('pets.role', true)) = 'ADMIN');

create policy auth_look on pets.api_key
for select to pets_auth
using ((select current_setting('pets.role', true)) = 'ADMIN');

grant update (display_name, role, state, updated_at, version) on pets.account to pets_auth;

commit;
