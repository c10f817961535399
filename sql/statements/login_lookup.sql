-- login_lookup: Find what a login needs to know of an account, if it may be tried at all.
-- pool: auth
-- params: email text, address inet, limits int4[]
-- columns: account_id uuid, state text, role text, hash text, pepper_id text, generation int4, second_factor bool, refused text, retry_s int4, remaining int4, reset_s int4, receipt text
-- writes: no
--
-- Without an identity. Always one row: the account is null when the address is
-- nobody's, and the last columns are as throttle_take says. account_email_key serves
-- it, whatever the case of the address, then credential_pkey, totp_pkey and
-- throttle_pkey.

select a.id as account_id, a.state, a.role, c.hash, c.pepper_id, c.generation,
       exists (
         select from pets.totp t
         where t.account_id = a.id
           and t.confirmed_at is not null) as second_factor,
       v.refused, v.retry_s, v.remaining, v.reset_s, v.receipt
from (values (lower($1::text))) asked (email_key)
left join pets.account a on a.email_key = asked.email_key
left join pets.credential c on c.account_id = a.id
cross join lateral pets.throttle_take('login', $1::text, a.id, $2::inet, $3::int4[]) v
