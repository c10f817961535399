-- session_close: End the caller's session.
-- pool: auth
-- params: own uuid, session_id uuid, request_id text, address inet
-- columns: id uuid, revoked_at timestamptz
-- writes: yes
--
-- After enter, so the session was live a moment ago. No row, and no second audit
-- event: another request has ended it meanwhile. session_account_id_idx serves it.

with closed as (
  update pets.session
  set revoked_at = now()
  where id = $2::uuid
    and account_id = $1::uuid
    and revoked_at is null
  returning id, revoked_at
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'session_expired', 'session', id, 'success', $3::text, $4::inet,
         jsonb_build_object('reason', 'logout')
  from closed
)
select id, revoked_at
from closed
