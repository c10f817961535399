-- api_key_list: List a page of the caller's live API keys, newest first.
-- pool: auth
-- params: own uuid, before uuid, limit int4
-- columns: id uuid, name text, scopes text[], created_at timestamptz, expires_at timestamptz, last_used_at timestamptz
-- writes: no
--
-- After enter. before is the last id of the page before; limit is one more than the
-- page holds. api_key_account_id_idx serves it, in order.

select id, name, scopes, created_at, expires_at, last_used_at
from pets.api_key
where account_id = $1::uuid
  and id < case when $2::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $2::uuid end
  and revoked_at is null
  and expires_at > now()
order by account_id, id desc
limit $3::int4
