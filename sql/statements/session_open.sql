-- session_open: Open a session for an account that has proved who it is.
-- pool: auth
-- params: session_id uuid, account_id uuid, lifetime_s int4, address inet, user_agent text, request_id text
-- columns: created_at timestamptz, expires_at timestamptz
-- writes: yes
--
-- Without an identity. No row, and nothing written: the account is not active.
-- A long user agent is cut. The pool cannot read sessions without an identity, so
-- the times are worked out first and then inserted. account_pkey serves it.

with opened as materialized (
  select id as account_id, now() as created_at,
         now() + make_interval(secs => $3::int4) as expires_at
  from pets.account
  where id = $2::uuid
    and state = 'active'
),
inserted as (
  insert into pets.session (id, account_id, created_at, expires_at, address, user_agent)
  select $1::uuid, account_id, created_at, expires_at, $4::inet, left($5::text, 256)
  from opened
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select account_id, 'authn_login_success', 'session', $1::uuid, 'success', $6::text, $4::inet
  from opened
)
select created_at, expires_at
from opened
