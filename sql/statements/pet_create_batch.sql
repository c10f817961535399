-- pet_create_batch: Add many pets to the caller's own, all or none.
-- pool: api
-- params: own uuid, pets jsonb, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- After enter. pets is an array of objects with an id each and the fields of pet_create;
-- the rows come in its order. Raises PE013 with the places of microchips that are other
-- pets' (pet_microchip_key); they are tried in order, so that two that wait for each other's
-- do not wait in a circle. Each pet has its history row and audit event.

with given as materialized (
  select g.id, g.name, g.species, g.breed, g.sex, g.born_on, g.weight_grams, g.microchip, g.notes,
         g.tags, g.place
  from rows from (
    jsonb_to_recordset($2::jsonb) as (
      id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4,
      microchip text, notes text, tags text[])
  ) with ordinality as g (
    id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags, place)
),
created as (
  insert into pets.pet
    (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags)
  select id, $1::uuid, name, species, breed, coalesce(sex, 'unknown'), born_on, weight_grams,
         microchip, notes, coalesce(tags, '{}')
  from given
  order by microchip
  on conflict (microchip) do nothing
  returning id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
            created_at, updated_at, version
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, new)
  select id, version, 'create', owner_id, $1::uuid,
         jsonb_build_object(
           'name', name, 'species', species, 'breed', breed, 'sex', sex, 'born_on', born_on,
           'weight_grams', weight_grams, 'microchip', microchip, 'notes', notes, 'tags', tags)
  from created
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select $1::uuid, 'pet_created', 'pet', id, 'success', $3::text, $4::inet
  from created
)
select c.id, c.owner_id, c.name, c.species, c.breed, c.sex, c.born_on, c.weight_grams, c.microchip,
       c.notes, c.tags::text[] as tags, c.created_at, c.updated_at, c.version
from given g
left join created c on c.id = g.id
where c.id is not null
   or pets.refuse_taken(array(
        select format('/%s/microchip', m.place - 1)
        from given m
        where not exists (select from created o where o.id = m.id)
        order by m.place))
order by g.place
