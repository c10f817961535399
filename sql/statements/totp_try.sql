-- totp_try: Take a try at a one-time code of the caller, and what to check it with.
-- pool: auth
-- params: own uuid, confirmed bool, address inet, limits int4[]
-- columns: secret bytea, key_id text, last_step int8, wait_s int4
-- writes: yes
--
-- After enter. Five tries in a row are free; then there is a pause before each, as
-- code_take says. During a pause wait_s says how long it lasts, the rest is null, and
-- the try does not count. No row: there is no such factor. totp_pkey and
-- known_network_pkey serve it.

with found as materialized (
  select secret, key_id, last_step, pets.code_take(account_id, $3::inet, $4::int4[]) as wait_s
  from pets.totp
  where account_id = $1::uuid
    and (confirmed_at is not null) = $2::bool
)
select case when wait_s is null then secret end as secret,
       case when wait_s is null then key_id end as key_id,
       case when wait_s is null then last_step end as last_step,
       wait_s
from found
