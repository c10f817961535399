-- Deploy pets:operator to pg
--
-- The operator's tool looks after accounts and sessions: it reads them, changes role
-- and state, and ends sessions and API keys. It has no identity, as an operator is no account;
-- its audit events name who ran it and why. It never reads a credential.

begin;

set local role pets_owner;

grant select (id, email, email_key, display_name, role, state, created_at, updated_at, version),
      update (role, state, updated_at, version)
on pets.account to pets_ops;

grant select (id, account_id, created_at, refreshed_at, expires_at, ends_at, revoked_at, mfa, address,
              user_agent),
      update (revoked_at)
on pets.session to pets_ops;

grant select (id, account_id, expires_at, revoked_at),
      update (revoked_at)
on pets.api_key to pets_ops;

create policy ops_select on pets.account
for select to pets_ops
using (true);

create policy ops_update on pets.account
for update to pets_ops
using (true);

create policy ops_select on pets.session
for select to pets_ops
using (true);

create policy ops_select on pets.api_key
for select to pets_ops
using (true);

-- What has ended stays so.
create policy ops_update on pets.api_key
for update to pets_ops
using (revoked_at is null)
with check (revoked_at is not null);

create policy ops_update on pets.session
for update to pets_ops
using (revoked_at is null)
with check (revoked_at is not null);

commit;
