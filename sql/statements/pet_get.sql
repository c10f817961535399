-- pet_get: Read one pet.
-- pool: api
-- params: id uuid, own uuid, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter. No row: there is no such pet, or it is not the caller's. An ADMIN
-- sees every pet, and leaves an audit event when it is another's. pet_pkey serves it.

with seen as materialized (
  select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
         created_at, updated_at, version
  from pets.pet
  where id = $1::uuid
    and (owner_id = $2::uuid or current_setting('pets.role', true) = 'ADMIN')
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'pet_read', 'pet', id, 'success', $3::text, $4::inet
  from seen
  where owner_id <> $2::uuid
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from seen
