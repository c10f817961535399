-- login_challenge_open: Let a login wait for its second factor.
-- pool: auth
-- params: account_id uuid, token_hash bytea, lifetime_s int4, request_id text, address inet, receipt text, give_percent int4
-- columns: expires_in int4
-- writes: yes
--
-- Without an identity, when the password was right. Logins of the account that have
-- waited for too long are forgotten, and what the attempt took is given back.
-- login_challenge_account_id_idx and throttle_pkey serve it.

with forgotten as (
  delete from pets.login_challenge
  where account_id = $1::uuid
    and expires_at <= now()
),
opened as (
  insert into pets.login_challenge (token_hash, account_id, expires_at)
  values ($2::bytea, $1::uuid, now() + make_interval(secs => $3::int4))
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  values ($1::uuid, 'authn_token_created', 'account', $1::uuid, 'success', $4::text, $5::inet,
          jsonb_build_object('entitlement', 'second_factor'))
)
select $3::int4 as expires_in
from pets.throttle_give($6::text, $7::int4)
