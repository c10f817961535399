-- pet_count: Reckon how many pets a list has.
-- pool: api
-- params: owner uuid, species text, sex text, tag text, born_after date, born_before date, q text
-- columns: count int8
-- writes: no
--
-- After enter. owner (null: everybody's) is honoured for an ADMIN only, anybody else's
-- own are counted; the rest are filters (see pet_matches), null: none. Fewer than 10,000
-- pets are counted; of more, the planner's estimate is taken. pet_owner_id_idx and
-- pet_pkey serve it.

select pets.pet_count($1::uuid, $2::text, $3::text, $4::text, $5::date, $6::date, $7::text) as count
