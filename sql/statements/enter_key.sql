-- enter_key: Check an API key and take on the identity of its account.
-- pool: api
-- params: key_id uuid, account_id uuid, key_hash bytea, need_scope text, application text, trace text
-- columns: role text
-- writes: no
--
-- In the place of enter when the caller has a key; raises PE007 when the key has
-- ended, and PE008 when it does not have the scope. api_key_pkey and account_pkey
-- serve it. It notes the last use, but a request that fails has changed nothing.
-- application and trace are as for enter.

select pets.enter_key($1::uuid, $2::uuid, $3::bytea, $4::text) as role
where ($5::text is null or set_config('application_name', $5::text, true) is not null)
  and ($6::text is null or set_config('pets.trace_id', $6::text, true) is not null)
