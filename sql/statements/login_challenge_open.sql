-- login_challenge_open: Let a login wait for its second factor.
-- pool: auth
-- params: account_id uuid, token_hash bytea, lifetime_s int4, request_id text, address inet, receipt text, give_percent int4, credential_generation int4
-- columns: expires_in int4
-- writes: yes
--
-- Without an identity, when the password was right. No row, and nothing opened: it is
-- another password by now, or the account is not active. Logins of the account that have
-- waited for too long are forgotten, and what the attempt took is given back.
-- account_pkey, login_challenge_account_id_idx and throttle_pkey serve it.

with held as materialized (
  select id as account_id
  from pets.account
  where id = $1::uuid
    and pets.hold_credential(id, $8::int4)
),
forgotten as (
  delete from pets.login_challenge
  where account_id = $1::uuid
    and expires_at <= now()
),
opened as (
  insert into pets.login_challenge (token_hash, account_id, credential_generation, expires_at)
  select $2::bytea, account_id, $8::int4, now() + make_interval(secs => $3::int4)
  from held
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_token_created', 'account', account_id, 'success', $4::text, $5::inet,
         jsonb_build_object('entitlement', 'second_factor')
  from held
)
select $3::int4 as expires_in
from held
cross join lateral pets.throttle_give($6::text, $7::int4)
