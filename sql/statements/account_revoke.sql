-- account_revoke: End all sessions and API keys of an account, for an operator.
-- pool: ops
-- params: id uuid, operator text, reason text
-- columns: sessions int4, api_keys int4
-- writes: yes
--
-- petsctl runs it, for an account that is there. One audit event, with how many there
-- were. session_account_id_idx and api_key_account_id_idx serve it.

with sessions as materialized (
  select pets.end_sessions($1::uuid, null) as sessions
),
counted as materialized (
  select sessions, pets.end_keys($1::uuid) as api_keys
  from sessions
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'session_expired', 'account', $1::uuid, 'success',
         jsonb_build_object('operator', $2::text, 'reason', $3::text, 'cause', 'revoked',
                            'sessions', sessions, 'api_keys', api_keys)
  from counted
)
select sessions, api_keys
from counted
