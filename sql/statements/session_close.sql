-- session_close: End the caller's session, the others, or all.
-- pool: auth
-- params: own uuid, session_id uuid, scope text, cause text, request_id text, address inet
-- columns: id uuid
-- writes: yes
--
-- After enter. scope is this (the session of that id), others (all but that) or
-- all. One row and one audit event for each session that was live; none, when
-- another request has ended it meanwhile. session_account_id_idx serves it.

with closed as (
  update pets.session
  set revoked_at = now()
  where account_id = $1::uuid
    and revoked_at is null
    and expires_at > now()
    and case $3::text when 'this' then id = $2::uuid when 'others' then id <> $2::uuid else true end
  returning id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'session_expired', 'session', id, 'success', $5::text, $6::inet,
         jsonb_build_object('cause', $4::text)
  from closed
)
select id
from closed
