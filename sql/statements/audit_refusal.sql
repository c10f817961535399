-- audit_refusal: Record that a request was refused.
-- pool: api auth
-- params: account_id uuid, session_id uuid, key_hash bytea, reason text, route text, target_type text, target_id uuid, request_id text, address inet
-- columns: recorded bool
-- writes: yes
--
-- Without an identity, after one was refused. session_id is the id of the API key when
-- key_hash is not null. recorded is false when that session or key is not of that
-- account. session_pkey or api_key_pkey serves it.

select pets.audit_refusal($1::uuid, $2::uuid, $3::bytea, $4::text, $5::text, $6::text, $7::uuid,
                          $8::text, $9::inet) as recorded
