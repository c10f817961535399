-- users_change: Change name, role or state of an account, if it has an expected version.
-- pool: auth
-- params: id uuid, own uuid, if_versions int4[], unless_versions int4[], display_name text, role text, state text, reason text, request_id text, address inet
-- columns: matched bool, id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4, updated bool, role_changed bool, state_changed bool
-- writes: yes
--
-- After enter, for an ADMIN. Null leaves a field as it is. No row: no such account.
-- Else one row, the account as it is now; matched is false when if_versions is not null
-- and does not hold its version, or unless_versions does, and then nothing is written. Fails with PE006 when
-- no active administrator would be left. account_pkey and session_account_id_idx
-- serve it.
--
-- The account is locked first, as in pet_update. Who is disabled loses his sessions too,
-- so that they are not good again when he is enabled, and also one that was being opened
-- at that moment (end_sessions). There is one audit event for each
-- thing that has changed; a match is a new version even when nothing has.

with target as materialized (
  select id, email, display_name, role, state, created_at, updated_at, version
  from pets.account
  where id = $1::uuid
  for update
),
changed as (
  update pets.account a
  set display_name = coalesce($5::text, t.display_name),
      role = coalesce($6::text, t.role),
      state = coalesce($7::text, t.state),
      updated_at = now(),
      version = t.version + 1
  from target t
  where a.id = $1::uuid
    and ($3::int4[] is null or t.version = any ($3::int4[]))
    and ($4::int4[] is null or t.version <> all ($4::int4[]))
  returning a.id, a.email, a.display_name, a.role, a.state, a.created_at, a.updated_at, a.version
),
ended as materialized (
  select id, pets.end_sessions(id, null) as sessions
  from changed
  where state = 'disabled'
),
news as materialized (
  select c.id, c.version, t.role as old_role, c.role, t.state as old_state, c.state,
         c.display_name <> t.display_name or (c.role = t.role and c.state = t.state) as updated,
         c.role <> t.role as role_changed, c.state <> t.state as state_changed
  from changed c
  join target t on t.id = c.id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, e.action, 'account', c.id, 'success', $9::text, $10::inet,
         jsonb_build_object('reason', $8::text) || e.detail
  from news c
  cross join lateral (values
    ('user_updated', c.updated, jsonb_build_object('version', c.version)),
    ('authz_change', c.role_changed, jsonb_build_object('old', c.old_role, 'new', c.role)),
    (case c.state when 'active' then 'user_enabled' else 'user_disabled' end, c.state_changed,
     jsonb_build_object('old', c.old_state, 'new', c.state)
       || case when c.state = 'disabled'
            then jsonb_build_object('sessions_ended', (select sessions from ended)) else '{}' end)
  ) as e (action, happened, detail)
  where e.happened
)
select true as matched, c.id, c.email, c.display_name, c.role, c.state, c.created_at, c.updated_at,
       c.version, t.updated, t.role_changed, t.state_changed
from changed c
join news t on t.id = c.id
union all
select false, id, email, display_name, role, state, created_at, updated_at, version, false, false,
       false
from target
where not exists (select from changed)
