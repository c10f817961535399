-- api_key_revoke: End one of the caller's API keys.
-- pool: auth
-- params: id uuid, own uuid, request_id text, address inet
-- columns: id uuid
-- writes: yes
--
-- After enter. No row: there is no such live key of the caller's. api_key_pkey
-- serves it.

with ended as (
  update pets.api_key
  set revoked_at = now()
  where id = $1::uuid
    and account_id = $2::uuid
    and revoked_at is null
    and expires_at > now()
  returning id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'authn_token_revoked', 'api_key', id, 'success', $3::text, $4::inet
  from ended
)
select id
from ended
