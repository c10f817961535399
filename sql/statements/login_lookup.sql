-- login_lookup: Find what a login needs to know of an account.
-- pool: auth
-- params: email text
-- columns: account_id uuid, state text, role text, hash text, pepper_id text, second_factor bool
-- writes: no
--
-- Without an identity. account_email_key serves it, whatever the case of the
-- address, and then credential_pkey and totp_pkey.

select a.id as account_id, a.state, a.role, c.hash, c.pepper_id,
       exists (
         select from pets.totp t
         where t.account_id = a.id
           and t.confirmed_at is not null) as second_factor
from pets.account a
join pets.credential c on c.account_id = a.id
where a.email_key = lower($1::text)
