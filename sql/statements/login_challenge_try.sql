-- login_challenge_try: Take one of the five tries of a login that waits for its second factor.
-- pool: auth
-- params: token_hash bytea, by_code bool, address inet, limits int4[]
-- columns: account_id uuid, secret bytea, key_id text, last_step int8, wait_s int4
-- writes: yes
--
-- Without an identity. No row: there is no such login, it has waited for too long, or
-- its tries are used up. For a one-time code there are tries of account or network as
-- well, as in totp_try. login_challenge_pkey, totp_pkey and known_network_pkey serve it.

with challenge as (
  update pets.login_challenge
  set tries = tries + 1
  where token_hash = $1::bytea
    and expires_at > now()
    and tries < 5
  returning account_id
),
found as materialized (
  select t.secret, t.key_id, t.last_step,
         pets.code_take(t.account_id, $3::inet, $4::int4[]) as wait_s
  from challenge c
  join pets.totp t on t.account_id = c.account_id
  where $2::bool
    and t.confirmed_at is not null
)
select c.account_id,
       case when f.wait_s is null then f.secret end as secret,
       case when f.wait_s is null then f.key_id end as key_id,
       case when f.wait_s is null then f.last_step end as last_step,
       f.wait_s
from challenge c
left join found f on true
