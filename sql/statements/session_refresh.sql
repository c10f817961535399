-- session_refresh: Exchange a refresh token for its successor.
-- pool: auth
-- params: session_id uuid, generation int4, given_hash bytea, genuine bool, key_ids text[], successor_hashes bytea[], last_call bool, idle_s int4, grace_s int4, request_id text, address inet, user_agent text, kid text
-- columns: verdict text, account_id uuid, expires_in int4, successor int4, key_id text
-- writes: yes
--
-- Without an identity. key_ids are those of the keys that the caller knows, its own
-- first, and successor_hashes what it has derived from them. The verdict is rotated or
-- repeated (that successor, counted from 1, is good), reused (the session has been
-- ended), ended, or unknown: nothing has been done, as the good one is derived from the
-- key key_id; on the last call another takes its place. kid is the key that the access
-- token will be signed with. session_pkey and signing_key_pkey serve it.

select verdict, account_id, extract(epoch from expires_at - now())::int4 as expires_in, successor,
       key_id
from pets.refresh($1::uuid, $2::int4, $3::bytea, $4::bool, $5::text[], $6::bytea[], $7::bool,
                  $8::int4, $9::int4, $10::text, $11::inet, $12::text, $13::text)
