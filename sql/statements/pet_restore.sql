-- pet_restore: Bring back a pet that was deleted.
-- pool: api
-- params: id uuid, own uuid, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter. No row: no such pet was deleted, it is not the caller's, or it is too late.
-- An ADMIN restores everybody's. Fails with 23505 on pet_microchip_key when the chip is
-- another pet's by now. deleted_pet_pkey serves it. Its history goes on with the version
-- after its deletion.

with restored as materialized (
  select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
         created_at, updated_at, version
  from pets.restore_pet($1::uuid)
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, new)
  select id, version, 'restore', owner_id, $2::uuid,
         jsonb_build_object(
           'name', name, 'species', species, 'breed', breed, 'sex', sex, 'born_on', born_on,
           'weight_grams', weight_grams, 'microchip', microchip, 'notes', notes, 'tags', tags)
  from restored
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'pet_restored', 'pet', id, 'success', $3::text, $4::inet
  from restored
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from restored
