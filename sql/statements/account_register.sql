-- account_register: Open an account for a person, with a password.
-- pool: auth
-- params: id uuid, email text, display_name text, hash text, pepper_id text, request_id text, address inet
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- Without an identity. The role is the default, USER; the pool could not choose
-- another. No row, and nothing written: the address is taken. (An error would put the
-- address into the log of PostgreSQL.) account_email_key serves it.

with opened as (
  insert into pets.account (id, email, display_name)
  values ($1::uuid, $2::text, $3::text)
  on conflict (email_key) do nothing
  returning id, email, display_name, role, state, created_at, updated_at, version
),
secured as (
  insert into pets.credential (account_id, hash, pepper_id)
  select id, $4::text, $5::text
  from opened
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select id, 'user_created', 'account', id, 'success', $6::text, $7::inet
  from opened
)
select id, email, display_name, role, state, created_at, updated_at, version
from opened
