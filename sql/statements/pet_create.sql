-- pet_create: Add a pet to the caller's own.
-- pool: api
-- params: id uuid, own uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter. Sex and tags may be null and then take their defaults. Fails with
-- 23505 on pet_microchip_key when the chip is another pet's. Writes its history
-- row and audit event along with it.

with created as (
  insert into pets.pet
    (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags)
  values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, coalesce($6::text, 'unknown'), $7::date,
          $8::int4, $9::text, $10::text, coalesce($11::text[], '{}'))
  returning id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
            created_at, updated_at, version
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, new)
  select id, version, 'create', owner_id, $2::uuid,
         jsonb_build_object(
           'name', name, 'species', species, 'breed', breed, 'sex', sex, 'born_on', born_on,
           'weight_grams', weight_grams, 'microchip', microchip, 'notes', notes, 'tags', tags)
  from created
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'pet_created', 'pet', id, 'success', $12::text, $13::inet
  from created
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from created
