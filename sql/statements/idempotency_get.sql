-- idempotency_get: Read the answer that is stored under a key.
-- pool: api
-- params: own uuid, key text
-- columns: status int4, location text, version int4, body text
-- writes: no
--
-- After enter, when idempotency_begin has said that there is one. Its age is not looked at
-- again. idempotency_key_pkey serves it.

select status, location, version, body
from pets.idempotency_key
where account_id = $1::uuid
  and key = $2::text
