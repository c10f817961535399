-- Deploy pets:operator to pg
--
-- The operator's tool looks after accounts and sessions: it reads them, changes role
-- and state, ends sessions and API keys, and helps who is locked out. It has no
-- identity, as an operator is no account; its audit events name who ran it and why.
-- It never reads a credential.

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

-- Makes links and hands them over; it takes second factors away, and gives none.
grant insert (id, link_hash, account_id, expires_at)
on pets.reset_link to pets_ops;

grant select (account_id, tries), update (tries), delete
on pets.totp to pets_ops;

grant insert (id, kind, account_id, recipient)
on pets.mail_outbox to pets_ops;

create policy ops_insert on pets.reset_link
for insert to pets_ops
with check (true);

create policy ops_select on pets.totp
for select to pets_ops
using (true);

create policy ops_update on pets.totp
for update to pets_ops
using (true)
with check (tries = 0);

create policy ops_delete on pets.totp
for delete to pets_ops
using (true);

create policy ops_insert on pets.mail_outbox
for insert to pets_ops
with check (kind = 'second_factor_changed');

-- Empties the buckets of an account: those that all networks share, those of the networks
-- that it is known to use, and those of an address, which may be null. Returns how many
-- there were. What others have done to other accounts stays.
create function pets.throttle_forget(
  account uuid, address inet, bits4 integer, bits6 integer) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  here constant cidr := case when address is not null then pets.network_of(address, bits4, bits6) end;
  gone integer;
begin
  delete from pets.throttle t
  where t.id in (
    select pets.throttle_id(k.kind, s.scope, s.network, case when s.scope <> 'network' then k.subject end)
    from pets.account a
    cross join lateral (values
      ('login', a.email), ('reset', a.email), ('password', a.id::text)) as k (kind, subject)
    cross join lateral (
      select 'account' as scope, null::cidr as network
      union all
      select 'own', n.network from pets.known_network n where n.account_id = a.id
      union all
      select w.scope, here from (values ('own'), ('network')) as w (scope) where here is not null
    ) s
    where a.id = throttle_forget.account
  );
  get diagnostics gone = row_count;
  return gone;
end
$$;

revoke all on function pets.throttle_forget(uuid, inet, integer, integer) from public;
grant execute on function pets.throttle_forget(uuid, inet, integer, integer) to pets_ops;

commit;
