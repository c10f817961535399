-- users_page: List a page of accounts, newest first.
-- pool: auth
-- params: own uuid, before uuid, role text, state text, q text, limit int4, request_id text, address inet
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter, for an ADMIN. role, state and q (a piece of the address or the name in
-- any case, taken literally) are filters, null: none. before is the last id of the page
-- before; limit is one more than the page holds, at most 101. Each page leaves an audit
-- event with what was asked for. account_pkey serves it, read backwards.

with audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, outcome, request_id, address, detail)
  values ($1::uuid, 'authz_admin', 'account', 'success', $7::text, $8::inet,
          jsonb_build_object('event', 'user_list', 'limit', $6::int4 - 1, 'before', $2::uuid,
                             'role', $3::text, 'state', $4::text,
                             'searched', $5::text is not null))
)
select id, email, display_name, role, state, created_at, updated_at, version
from pets.account
where id < case when $2::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $2::uuid end
  and ($3::text is null or role = $3::text)
  and ($4::text is null or state = $4::text)
  and ($5::text is null or strpos(email_key, lower($5::text)) > 0
       or strpos(lower(display_name), lower($5::text)) > 0)
order by id desc
limit $6::int4
