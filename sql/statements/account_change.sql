-- account_change: Give an account another role or state.
-- pool: ops
-- params: id uuid, role text, state text, operator text, reason text
-- columns: changed bool, sessions_ended int8
-- writes: yes
--
-- petsctl runs it, with one of the two. No row: there is no such account. changed is
-- false when it was so already, and then nothing is written. PE006: it is the last
-- active administrator. Who is disabled loses his sessions too, so that they are not
-- good again when he is enabled, and also one that was being opened at that moment
-- (end_sessions). account_pkey and session_account_id_idx serve it.

with target as materialized (
  select id, role, state
  from pets.account
  where id = $1::uuid
  for update
),
changed as (
  update pets.account a
  set role = coalesce($2::text, a.role),
      state = coalesce($3::text, a.state),
      updated_at = now(),
      version = a.version + 1
  from target t
  where a.id = $1::uuid
    and (t.role <> coalesce($2::text, t.role) or t.state <> coalesce($3::text, t.state))
  returning a.id
),
ended as materialized (
  select pets.end_sessions(id, null) as sessions
  from changed
  where $3::text <> 'active'
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select case when $2::text is not null then 'authz_change'
              when $3::text = 'active' then 'user_enabled' else 'user_disabled' end,
         'account', c.id, 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $4::text, 'reason', $5::text,
           'old', case when $2::text is null then t.state else t.role end,
           'new', coalesce($2::text, $3::text)))
  from changed c, target t
)
select exists (select from changed) as changed, (select coalesce(sum(sessions), 0)::int8 from ended) as sessions_ended
from target
