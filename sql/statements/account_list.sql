-- account_list: List accounts, newest first, for an operator.
-- pool: ops
-- params: before uuid, limit int4, role text, state text, q text
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- petsctl runs it. What is null does not matter; q is a part of the address or of
-- the name. account_pkey serves it, backwards.

select id, email, display_name, role, state, created_at, updated_at, version
from pets.account
where case when $1::uuid is null then true else id < $1::uuid end
  and ($3::text is null or role = $3::text)
  and ($4::text is null or state = $4::text)
  and ($5::text is null or strpos(email_key, lower($5::text)) > 0
       or strpos(lower(display_name), lower($5::text)) > 0)
order by id desc
limit $2::int4
