-- credential_own: Find what a check or change of the caller's password needs to know.
-- pool: auth
-- params: own uuid
-- columns: hash text, pepper_id text, email text, display_name text, second_factor bool
-- writes: no
--
-- After enter. Three primary keys serve it.

select c.hash, c.pepper_id, a.email, a.display_name,
       exists (
         select from pets.totp t
         where t.account_id = c.account_id
           and t.confirmed_at is not null) as second_factor
from pets.credential c
join pets.account a on a.id = c.account_id
where c.account_id = $1::uuid
