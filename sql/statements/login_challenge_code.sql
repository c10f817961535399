-- login_challenge_code: Accept a one-time code for a login that waits for it.
-- pool: auth
-- params: token_hash bytea, step int8, secret bytea, key_id text, address inet, limits int4[]
-- columns: account_id uuid, credential_generation int4
-- writes: yes
--
-- Without an identity, for a code that was right. Of several uses of a code, by
-- whatever logins, one has a row; the others have none, and nothing is written. A
-- secret that is not null is the old one sealed anew. login_challenge_pkey, totp_pkey
-- and known_network_pkey serve it.

with challenge as materialized (
  select account_id, credential_generation
  from pets.login_challenge
  where token_hash = $1::bytea
    and expires_at > now()
  for update
),
accepted as (
  update pets.totp t
  set last_step = $2::int8,
      tries = case when pets.code_accept(t.account_id, $5::inet, $6::int4[]) then t.tries else 0 end,
      secret = coalesce($3::bytea, t.secret),
      key_id = coalesce($4::text, t.key_id)
  from challenge c
  where t.account_id = c.account_id
    and t.confirmed_at is not null
    and t.last_step < $2::int8
  returning t.account_id, c.credential_generation
),
used as (
  delete from pets.login_challenge c
  using accepted a
  where c.token_hash = $1::bytea
    and c.account_id = a.account_id
)
select account_id, credential_generation
from accepted
