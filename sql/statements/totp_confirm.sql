-- totp_confirm: Put the caller's second factor into force.
-- pool: auth
-- params: own uuid, session_id uuid, step int8, hashes bytea[], request_id text, address inet
-- columns: confirmed_at timestamptz
-- writes: yes
--
-- After enter, for a code that was right: the session has now seen the second
-- factor. No row, and nothing written: it is confirmed already. totp_pkey,
-- recovery_code_pkey and session_pkey serve it.

with confirmed as (
  update pets.totp
  set confirmed_at = now(),
      last_step = $3::int8,
      tries = 0,
      recovery_batch = recovery_batch + 1
  where account_id = $1::uuid
    and confirmed_at is null
    and last_step < $3::int8
  returning account_id, confirmed_at, recovery_batch
),
kept as (
  insert into pets.recovery_code (account_id, hash, batch)
  select c.account_id, h.hash, c.recovery_batch
  from confirmed c
  cross join unnest($4::bytea[]) as h (hash)
),
proved as (
  update pets.session s
  set mfa = true,
      authenticated_at = now()
  from confirmed c
  where s.account_id = c.account_id
    and s.id = $2::uuid
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $5::text, $6::inet,
         jsonb_build_object('second_factor', 'enrolled')
  from confirmed
)
select confirmed_at
from confirmed
