-- credential_own: Find what a change of the caller's password needs to know.
-- pool: auth
-- params: own uuid
-- columns: hash text, pepper_id text, email text, display_name text
-- writes: no
--
-- After enter. Two primary keys serve it.

select c.hash, c.pepper_id, a.email, a.display_name
from pets.credential c
join pets.account a on a.id = c.account_id
where c.account_id = $1::uuid
