-- pet_update: Change some or all fields of a pet, if it has an expected version.
-- pool: api
-- params: id uuid, own uuid, if_versions int4[], unless_versions int4[], mask int4, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], request_id text, address inet
-- columns: matched bool, id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter. A field is written when its bit of mask is set: 0 name, 1 species,
-- 2 breed, 3 sex, 4 born_on, 5 weight_grams, 6 microchip, 7 notes, 8 tags. No row:
-- no such pet, or not the caller's. Else one row, the pet as it is now; matched is
-- false when if_versions is not null and does not hold its version, or unless_versions
-- does, and then nothing is written. A match is a new version even when no value differs. pet_pkey serves it.
--
-- The pet is locked first: of two writers the second waits there, then sees what
-- the first has made of it, and its version no longer matches. The update finds
-- the row again by its key and follows it to that same newest state.

with target as materialized (
  select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
         created_at, updated_at, version
  from pets.pet
  where id = $1::uuid
    and (owner_id = $2::uuid or current_setting('pets.role', true) = 'ADMIN')
  for update
),
changed as (
  update pets.pet p
  set name = case when $5::int4 & 1 <> 0 then $6::text else t.name end,
      species = case when $5::int4 & 2 <> 0 then $7::text else t.species end,
      breed = case when $5::int4 & 4 <> 0 then $8::text else t.breed end,
      sex = case when $5::int4 & 8 <> 0 then coalesce($9::text, 'unknown') else t.sex end,
      born_on = case when $5::int4 & 16 <> 0 then $10::date else t.born_on end,
      weight_grams = case when $5::int4 & 32 <> 0 then $11::int4 else t.weight_grams end,
      microchip = case when $5::int4 & 64 <> 0 then $12::text else t.microchip end,
      notes = case when $5::int4 & 128 <> 0 then $13::text else t.notes end,
      tags = case when $5::int4 & 256 <> 0 then coalesce($14::text[], '{}') else t.tags end,
      updated_at = now(),
      version = t.version + 1
  from target t
  where p.id = $1::uuid
    and ($3::int4[] is null or t.version = any ($3::int4[]))
    and ($4::int4[] is null or t.version <> all ($4::int4[]))
  returning p.id, p.owner_id, p.name, p.species, p.breed, p.sex, p.born_on, p.weight_grams,
            p.microchip, p.notes, p.tags, p.created_at, p.updated_at, p.version
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, old, new)
  select c.id, c.version, 'update', c.owner_id, $2::uuid,
         jsonb_build_object(
           'name', t.name, 'species', t.species, 'breed', t.breed, 'sex', t.sex,
           'born_on', t.born_on, 'weight_grams', t.weight_grams, 'microchip', t.microchip,
           'notes', t.notes, 'tags', t.tags),
         jsonb_build_object(
           'name', c.name, 'species', c.species, 'breed', c.breed, 'sex', c.sex,
           'born_on', c.born_on, 'weight_grams', c.weight_grams, 'microchip', c.microchip,
           'notes', c.notes, 'tags', c.tags)
  from changed c, target t
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $2::uuid, 'pet_updated', 'pet', id, 'success', $15::text, $16::inet
  from changed
)
select true as matched, id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip,
       notes, tags::text[] as tags, created_at, updated_at, version
from changed
union all
select false, id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip,
       notes, tags::text[], created_at, updated_at, version
from target
where not exists (select from changed)
