-- users_get: Read an account.
-- pool: auth
-- params: id uuid, own uuid, request_id text, address inet
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter, for an ADMIN. No row: no such account. account_pkey serves it.

with found as materialized (
  select id, email, display_name, role, state, created_at, updated_at, version
  from pets.account
  where id = $1::uuid
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'authz_admin', 'account', id, 'success', $3::text, $4::inet,
         jsonb_build_object('event', 'user_read')
  from found
)
select id, email, display_name, role, state, created_at, updated_at, version
from found
