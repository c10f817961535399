-- pet_search: List a page of pets that are too rare to be found by a walk.
-- pool: api
-- params: owner uuid, sort text, before uuid, before_name text, before_born_on date, before_created_at timestamptz, species text, sex text, tag text, born_after date, born_before date, q text, limit int4
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter, and after one of pet_list_*, whose filters these are and which has left
-- the audit event. sort is null, name, -name and so on; limit is one more than the page
-- holds. The function finds ids: pet_search_idx serves it, or for dates alone
-- pet_born_on_idx and pet_owner_born_on_idx. pet_pkey serves the rows, which row-level
-- security allows the caller.

select p.id, p.owner_id, p.name, p.species, p.breed, p.sex, p.born_on, p.weight_grams,
       p.microchip, p.notes, p.tags, p.created_at, p.updated_at, p.version
from pets.pet_search($1::uuid, $2::text, $3::uuid, $4::text, $5::date, $6::timestamptz, $7::text,
                     $8::text, $9::text, $10::date, $11::date, $12::text, $13::int4)
  with ordinality as found (id, place)
cross join lateral (
  select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
         tags::text[] as tags, created_at, updated_at, version
  from pets.pet
  where pet.id = found.id
) p
order by found.place
