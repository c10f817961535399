-- account_find: Find the account that an operator names, by its id or by its address.
-- pool: ops
-- params: id uuid, email text
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- petsctl runs it, with one of the two. account_pkey or account_email_key serves it.

select id, email, display_name, role, state, created_at, updated_at, version
from pets.account
where id = $1::uuid
union all
select id, email, display_name, role, state, created_at, updated_at, version
from pets.account
where email_key = lower($2::text)
