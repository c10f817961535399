-- login_challenge_try: Take one of the five tries of a login that waits for its second factor.
-- pool: auth
-- params: token_hash bytea, by_code bool
-- columns: account_id uuid, secret bytea, key_id text, last_step int8, wait_s int4
-- writes: yes
--
-- Without an identity. No row: there is no such login, it has waited for too long, or
-- its tries are used up. For a one-time code the try counts for the account as well,
-- as in totp_try. login_challenge_pkey and totp_pkey serve it.

with challenge as (
  update pets.login_challenge
  set tries = tries + 1
  where token_hash = $1::bytea
    and expires_at > now()
    and tries < 5
  returning account_id
),
found as materialized (
  select t.account_id,
         case
           when t.tries < 5 then '-infinity'
           else t.tried_at
                + make_interval(secs => least(30 * power(2, least(t.tries, 16) - 5), 3600))
         end as free_at
  from challenge c
  join pets.totp t on t.account_id = c.account_id
  where $2::bool
    and t.confirmed_at is not null
  for update of t
),
tried as (
  update pets.totp t
  set tries = t.tries + 1,
      tried_at = now()
  from found f
  where t.account_id = f.account_id
    and f.free_at <= now()
  returning t.secret, t.key_id, t.last_step
)
select c.account_id, t.secret, t.key_id, t.last_step,
       case
         when f.free_at > now() then ceil(extract(epoch from f.free_at - now()))::int4
       end as wait_s
from challenge c
left join found f on true
left join tried t on true
