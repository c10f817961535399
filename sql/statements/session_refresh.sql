-- session_refresh: Exchange a refresh token for its successor.
-- pool: auth
-- params: session_id uuid, generation int4, given_hash bytea, genuine bool, successor_hash bytea, idle_s int4, grace_s int4, request_id text, address inet, user_agent text
-- columns: verdict text, account_id uuid, expires_in int4
-- writes: yes
--
-- Without an identity. The verdict is rotated or repeated (the successor is good),
-- reused (the session has been ended) or ended. session_pkey serves it.

select verdict, account_id, extract(epoch from expires_at - now())::int4 as expires_in
from pets.refresh($1::uuid, $2::int4, $3::bytea, $4::bool, $5::bytea, $6::int4, $7::int4,
                  $8::text, $9::inet, $10::text)
