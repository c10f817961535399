-- users_revoke: End all sessions and API keys of an account.
-- pool: auth
-- params: id uuid, own uuid, reason text, request_id text, address inet
-- columns: id uuid, sessions int4, api_keys int4
-- writes: yes
--
-- After enter, for an ADMIN. No row: no such account. One audit event, with how many
-- there were. account_pkey, session_account_id_idx and api_key_account_id_idx serve it.

with target as materialized (
  select id
  from pets.account
  where id = $1::uuid
),
sessions as materialized (
  select id, pets.end_sessions(id, null) as sessions
  from target
),
counted as materialized (
  select id, sessions, pets.end_keys(id) as api_keys
  from sessions
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'session_expired', 'account', id, 'success', $4::text, $5::inet,
         jsonb_build_object('reason', $3::text, 'cause', 'revoked', 'sessions', sessions,
                            'api_keys', api_keys)
  from counted
)
select id, sessions, api_keys
from counted
