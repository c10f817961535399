-- account_me: Read the caller's own account.
-- pool: auth
-- params: own uuid
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter, so there is always a row. account_pkey serves it.

select id, email, display_name, role, state, created_at, updated_at, version
from pets.account
where id = $1::uuid
