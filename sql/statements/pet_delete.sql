-- pet_delete: Delete a pet, if it has an expected version.
-- pool: api
-- params: id uuid, own uuid, if_versions int4[], unless_versions int4[], restore_days int4, request_id text, address inet
-- columns: matched bool, id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter. No row: no such pet, or not the caller's. Else one row, the pet as it
-- was last; matched is false when if_versions is not null and does not hold its
-- version, or unless_versions does, and then nothing is written. The pet is put aside for
-- restore_days, in which it can be restored. Its history stays as long, and ends with
-- the version after the last. An open offer of it ends. pet_pkey and
-- transfer_pet_open_key serve it; the lock is as in pet_update.

with target as materialized (
  select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
         created_at, updated_at, version
  from pets.pet
  where id = $1::uuid
    and (owner_id = $2::uuid or current_setting('pets.role', true) = 'ADMIN')
  for update
),
deleted as (
  delete from pets.pet p
  using target t
  where p.id = $1::uuid
    and ($3::int4[] is null or t.version = any ($3::int4[]))
    and ($4::int4[] is null or t.version <> all ($4::int4[]))
  returning p.id
),
put_aside as (
  insert into pets.deleted_pet
    (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
     created_at, updated_at, version, gone_at)
  select t.id, t.owner_id, t.name, t.species, t.breed, t.sex, t.born_on, t.weight_grams,
         t.microchip, t.notes, t.tags, t.created_at, t.updated_at, t.version,
         now() + make_interval(days => $5::int4)
  from deleted, target t
),
ended as (
  update pets.transfer x
  set state = 'withdrawn',
      ended_at = now()
  from deleted d
  where x.pet_id = d.id
    and x.ended_at is null
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, old)
  select t.id, t.version + 1, 'delete', t.owner_id, $2::uuid,
         jsonb_build_object(
           'name', t.name, 'species', t.species, 'breed', t.breed, 'sex', t.sex,
           'born_on', t.born_on, 'weight_grams', t.weight_grams, 'microchip', t.microchip,
           'notes', t.notes, 'tags', t.tags)
  from deleted, target t
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'pet_deleted', 'pet', id, 'success', $6::text, $7::inet
  from deleted
)
select ($3::int4[] is null or version = any ($3::int4[]))
         and ($4::int4[] is null or version <> all ($4::int4[])) as matched,
       id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from target
