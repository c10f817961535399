-- login_challenge_recovery: Accept a recovery code for a login that waits for its second factor.
-- pool: auth
-- params: token_hash bytea, hash bytea, request_id text, address inet
-- columns: account_id uuid, credential_generation int4
-- writes: yes
--
-- Without an identity. Of several uses of a code one has a row; the others, and a
-- code that is not of this account, have none, and nothing is written.
-- login_challenge_pkey, totp_pkey and recovery_code_pkey serve it.

with challenge as materialized (
  select account_id, credential_generation
  from pets.login_challenge
  where token_hash = $1::bytea
    and expires_at > now()
  for update
),
accepted as (
  update pets.recovery_code r
  set used_at = now()
  from challenge c
  join pets.totp t on t.account_id = c.account_id
  where r.account_id = t.account_id
    and r.hash = $2::bytea
    and r.batch = t.recovery_batch
    and r.used_at is null
  returning r.account_id, c.credential_generation
),
used as (
  delete from pets.login_challenge c
  using accepted a
  where c.token_hash = $1::bytea
    and c.account_id = a.account_id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $3::text, $4::inet,
         jsonb_build_object('recovery_codes', 'used')
  from accepted
)
select account_id, credential_generation
from accepted
