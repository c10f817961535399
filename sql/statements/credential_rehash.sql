-- credential_rehash: Put a newer hash of the same password in the place of an old one.
-- pool: auth
-- params: account_id uuid, old_hash text, hash text, pepper_id text
-- columns: account_id uuid
-- writes: yes
--
-- Without an identity, beside a login that has just verified old_hash. Null: the
-- credential has another hash by now. It is not a change of password: updated_at
-- stays. credential_pkey serves it.

select pets.rehash($1::uuid, $2::text, $3::text, $4::text) as account_id
