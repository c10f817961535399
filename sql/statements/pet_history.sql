-- pet_history: Read what has happened to a pet, newest first.
-- pool: api
-- params: id uuid, own uuid, before_version int4, limit int4, request_id text, address inet
-- columns: version int4, action text, actor_id uuid, changed_at timestamptz, old jsonb, new jsonb
-- writes: no
--
-- After enter. It works for a deleted pet too. Every pet has the row of its creation,
-- so without before_version no row means no such pet, or not the caller's. An ADMIN
-- sees the history of every pet, and leaves an audit event when it is another's.
-- pet_history_pkey serves it, read backwards; limit is at most 101.

with page as materialized (
  select pet_id, owner_id, version, action, actor_id, changed_at, old, new
  from pets.pet_history
  where pet_id = $1::uuid
    and version < case when $3::int4 is null then 2147483647 else $3::int4 end
    and (owner_id = $2::uuid or current_setting('pets.role', true) = 'ADMIN')
  order by version desc
  limit least($4::int4, 101)
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'authz_admin', 'pet', $1::uuid, 'success', $5::text, $6::inet,
         jsonb_build_object('event', 'pet_history_read')
  where exists (select from page where owner_id <> $2::uuid)
)
select version, action, actor_id, changed_at, old, new
from page
order by version desc
