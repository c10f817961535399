-- enter_key: Check an API key and take on the identity of its account.
-- pool: api
-- params: key_id uuid, account_id uuid, key_hash bytea, need_scope text
-- columns: role text
-- writes: no
--
-- In the place of enter when the caller has a key; raises PE007 when the key has
-- ended, and PE008 when it does not have the scope. api_key_pkey and account_pkey
-- serve it. It notes the last use, but a request that fails has changed nothing.

select pets.enter_key($1::uuid, $2::uuid, $3::bytea, $4::text) as role
