-- idempotency_begin: Take the key of a request that may be repeated.
-- pool: api
-- params: own uuid, key text, fingerprint bytea
-- columns: taken bool
-- writes: no
--
-- After enter, before the statement of the request. Raises PE009 when a request with
-- this key is being served, PE010 when it was used for another request, and PE011
-- when the request was answered before: then idempotency_get has the answer.
-- idempotency_key_pkey serves it.

select pets.idempotency_begin($1::uuid, $2::text, $3::bytea) is null as taken
