-- step_up_recovery: Accept a recovery code as a new proof of identity in the caller's session.
-- pool: auth
-- params: own uuid, session_id uuid, hash bytea, request_id text, address inet
-- columns: account_id uuid
-- writes: yes
--
-- After enter. Of several uses of a code one has a row; the others, and a code that is
-- not of this account, have none. totp_pkey, recovery_code_pkey and
-- session_pkey serve it.

with accepted as (
  update pets.recovery_code r
  set used_at = now()
  from pets.totp t
  where t.account_id = $1::uuid
    and r.account_id = t.account_id
    and r.hash = $3::bytea
    and r.batch = t.recovery_batch
    and r.used_at is null
  returning r.account_id
),
proved as (
  update pets.session s
  set mfa = true,
      authenticated_at = now()
  from accepted a
  where s.account_id = a.account_id
    and s.id = $2::uuid
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_login_success', 'session', $2::uuid, 'success', $4::text, $5::inet,
         jsonb_build_object('step_up', 'recovery_code')
  from accepted
)
select account_id
from accepted
