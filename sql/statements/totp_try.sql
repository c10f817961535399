-- totp_try: Take a try at a one-time code of the caller, and what to check it with.
-- pool: auth
-- params: own uuid, confirmed bool
-- columns: secret bytea, key_id text, last_step int8, wait_s int4
-- writes: yes
--
-- After enter. Five tries in a row are free; then there is a pause before each, from
-- half a minute to an hour. During a pause wait_s says how long it lasts, the rest
-- is null, and the try does not count. No row: there is no such factor. totp_pkey
-- serves it.

with found as materialized (
  select account_id,
         case
           when tries < 5 then '-infinity'
           else tried_at + make_interval(secs => least(30 * power(2, least(tries, 16) - 5), 3600))
         end as free_at
  from pets.totp
  where account_id = $1::uuid
    and (confirmed_at is not null) = $2::bool
  for update
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
select t.secret, t.key_id, t.last_step,
       case
         when f.free_at > now() then ceil(extract(epoch from f.free_at - now()))::int4
       end as wait_s
from found f
left join tried t on true
