-- session_revoke: End a session that an operator names.
-- pool: ops
-- params: id uuid, operator text, reason text
-- columns: id uuid, account_id uuid
-- writes: yes
--
-- petsctl runs it. No row, and nothing written: no such session is live. session_pkey
-- serves it.

with ended as (
  update pets.session
  set revoked_at = now()
  where id = $1::uuid
    and revoked_at is null
    and expires_at > now()
  returning id, account_id
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'session_expired', 'session', id, 'success',
         jsonb_build_object('operator', $2::text, 'reason', $3::text, 'cause', 'revoked')
  from ended
)
select id, account_id
from ended
