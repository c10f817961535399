-- recovery_codes_renew: Replace the caller's recovery codes.
-- pool: auth
-- params: own uuid, hashes bytea[], mail_id uuid, request_id text, address inet
-- columns: account_id uuid
-- writes: yes
--
-- After enter. Of two renewals at the same time the later one counts. No row, and
-- nothing written: there is no second factor that they could stand in for. mail_id is
-- null when nobody is told. totp_pkey, recovery_code_pkey and account_pkey serve it.

with owner as (
  update pets.totp
  set recovery_batch = recovery_batch + 1
  where account_id = $1::uuid
    and confirmed_at is not null
  returning account_id, recovery_batch
),
forgotten as (
  delete from pets.recovery_code r
  using owner o
  where r.account_id = o.account_id
),
kept as (
  insert into pets.recovery_code (account_id, hash, batch)
  select o.account_id, h.hash, o.recovery_batch
  from owner o
  cross join unnest($2::bytea[]) as h (hash)
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select $3::uuid, 'second_factor_changed', a.id, a.email, $5::inet
  from owner c
  join pets.account a on a.id = c.account_id
  where $3::uuid is not null
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $4::text, $5::inet,
         jsonb_build_object('recovery_codes', 'renewed')
  from owner
)
select account_id
from owner
