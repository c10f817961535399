-- throttle_take: Let an attempt through, or say how long to wait.
-- pool: auth
-- params: kind text, subject text, account_id uuid, address inet, limits int4[]
-- columns: refused text, retry_s int4, remaining int4, reset_s int4, receipt text
-- writes: no
--
-- With or without an identity. One row; refused is null when the attempt may go on, and
-- then receipt is for throttle_give. What it takes drains by itself, so losing the answer
-- loses nothing that a client must know of. throttle_pkey and known_network_pkey serve it.

select refused, retry_s, remaining, reset_s, receipt
from pets.throttle_take($1::text, $2::text, $3::uuid, $4::inet, $5::int4[])
