-- reset_confirm: Choose another password by a link, and end every session and, if it is asked for, API key.
-- pool: auth
-- params: link_hash bytea, hash text, pepper_id text, mail_id uuid, revoke_keys bool, request_id text, address inet
-- columns: account_id uuid
-- writes: yes
--
-- Without an identity. One row; account_id is null, and nothing was changed, when
-- the link is not good any more. mail_id is null when nobody is told.
-- reset_link_link_hash_key, reset_link_account_id_idx and the keys of the account
-- serve it.

select pets.reset_password($1::bytea, $2::text, $3::text, $4::uuid, $5::bool, $6::text, $7::inet)
         as account_id
