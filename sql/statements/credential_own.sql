-- credential_own: Find what a check or change of the caller's password needs to know.
-- pool: auth
-- params: own uuid, address inet, limits int4[]
-- columns: hash text, pepper_id text, email text, display_name text, second_factor bool, generation int4, refused text, retry_s int4, remaining int4, reset_s int4, receipt text
-- writes: no
--
-- After enter. The last columns are as throttle_take says. Primary keys serve it.

select c.hash, c.pepper_id, a.email, a.display_name,
       exists (
         select from pets.totp t
         where t.account_id = c.account_id
           and t.confirmed_at is not null) as second_factor,
       c.generation, v.refused, v.retry_s, v.remaining, v.reset_s, v.receipt
from pets.credential c
join pets.account a on a.id = c.account_id
cross join lateral pets.throttle_take('password', $1::text, $1::uuid, $2::inet, $3::int4[]) v
where c.account_id = $1::uuid
