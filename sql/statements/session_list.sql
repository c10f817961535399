-- session_list: List a page of the caller's live sessions, newest first.
-- pool: auth
-- params: own uuid, session_id uuid, before uuid, limit int4
-- columns: id uuid, created_at timestamptz, last_used_at timestamptz, expires_at timestamptz, ends_at timestamptz, address text, user_agent text, mfa bool, current bool
-- writes: no
--
-- After enter. session_id is the caller's, which is marked as current; before is
-- the last id of the page before. A session is used when it is refreshed. limit is
-- one more than the page holds. session_account_id_idx serves it, in order.

select id, created_at, refreshed_at as last_used_at, expires_at, ends_at,
       host(address) as address, user_agent, mfa, id = $2::uuid as current
from pets.session
where account_id = $1::uuid
  and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
  and revoked_at is null
  and expires_at > now()
order by account_id, id desc
limit $4::int4
