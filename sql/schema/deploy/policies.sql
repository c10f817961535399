-- Deploy pets:policies to pg
--
-- The second line: whatever a statement asks for, a role sees and changes only
-- what its identity allows. The identity is what enter() has left in the settings
-- pets.user_id and pets.role; each policy reads them in a sub-select, so once a
-- statement and not once a row. A setting that has ended reads as the empty
-- string, hence nullif. Security is forced, on the owner too; a table without a
-- policy for a role is closed to it. Foreign keys are checked outside of it.

begin;

set local role pets_owner;

alter table pets.account enable row level security, force row level security;
alter table pets.credential enable row level security, force row level security;
alter table pets.session enable row level security, force row level security;
alter table pets.pet enable row level security, force row level security;
alter table pets.pet_history enable row level security, force row level security;
alter table pets.audit_event enable row level security, force row level security;

-- The owner runs enter(), which reads these two and nothing else.
create policy owner_enter on pets.account
for select to pets_owner
using (true);

create policy owner_enter on pets.session
for select to pets_owner
using (true);

-- The auth pool, before anybody has logged in, looks accounts up and opens new
-- ones; after enter() it sees what is the person's own. An ADMIN sees every
-- account and session, never a foreign credential.
create policy auth_select on pets.account
for select to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy auth_insert on pets.account
for insert to pets_auth
with check (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  and role = 'USER'
);

create policy auth_select on pets.credential
for select to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_insert on pets.credential
for insert to pets_auth
with check ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_update on pets.credential
for update to pets_auth
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_select on pets.session
for select to pets_auth
using (
  account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy auth_insert on pets.session
for insert to pets_auth
with check ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_update on pets.session
for update to pets_auth
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

-- The operator's tool adds accounts of either role. It reads no account but
-- through the statement that adds one, and no credential at all.
create policy ops_insert on pets.account
for insert to pets_ops
with check (true);

create policy ops_insert on pets.credential
for insert to pets_ops
with check (true);

-- The api pool: one's own pets, all of them for an ADMIN, none for nobody.
create policy api_select on pets.pet
for select to pets_api
using (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy api_insert on pets.pet
for insert to pets_api
with check (owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy api_update on pets.pet
for update to pets_api
using (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy api_delete on pets.pet
for delete to pets_api
using (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy api_select on pets.pet_history
for select to pets_api
using (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy api_insert on pets.pet_history
for insert to pets_api
with check (
  actor_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  and (owner_id = actor_id or (select current_setting('pets.role', true)) = 'ADMIN')
);

-- Nobody signs the record with another's name. The auth pool may before login,
-- when it writes down whose login succeeded or failed.
create policy api_insert on pets.audit_event
for insert to pets_api
with check (actor_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_insert on pets.audit_event
for insert to pets_auth
with check (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or actor_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy ops_insert on pets.audit_event
for insert to pets_ops
with check (actor_id is null);

commit;
