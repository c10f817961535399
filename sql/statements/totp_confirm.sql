-- totp_confirm: Put the caller's second factor into force.
-- pool: auth
-- params: own uuid, session_id uuid, step int8, hashes bytea[], mail_id uuid, request_id text, address inet, limits int4[]
-- columns: confirmed_at timestamptz
-- writes: yes
--
-- After enter, for a code that was right: the session has now seen the second
-- factor. No row, and nothing written: it is confirmed already. mail_id is null when
-- nobody is told. totp_pkey, recovery_code_pkey, session_pkey, account_pkey and
-- known_network_pkey serve it.

with confirmed as (
  update pets.totp
  set confirmed_at = now(),
      last_step = $3::int8,
      tries = case when pets.code_accept(account_id, $7::inet, $8::int4[]) then tries else 0 end,
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
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select $5::uuid, 'second_factor_changed', a.id, a.email, $7::inet
  from confirmed c
  join pets.account a on a.id = c.account_id
  where $5::uuid is not null
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $6::text, $7::inet,
         jsonb_build_object('second_factor', 'enrolled')
  from confirmed
)
select confirmed_at
from confirmed
