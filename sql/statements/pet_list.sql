-- pet_list: List a page of pets, newest first.
-- pool: api
-- params: own uuid, owner uuid, before uuid, limit int4, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter. own is the caller; owner (null: everybody's) is honoured for an
-- ADMIN only, anybody else gets his own. before is the last id of the page before.
-- limit is one more than the page holds, so that the caller sees whether there is a
-- next; at most 101. Other orders and filters have statements of their own, so that
-- the list that everybody asks for pays nothing for them.
--
-- There are two branches, and the role decides which one runs. The pages of one
-- owner come from pet_owner_id_idx, those of everybody from pet_pkey read backwards,
-- both from the cursor on and already in order. The constant limits tell the
-- planner, which does not know the parameters, that a page is small. The cursor is a
-- case, not a coalesce: under row-level security only what is known to be leakproof
-- may search an index, and a coalesce is not. A page of other people's pets shown to
-- an ADMIN leaves one audit event, which says what was asked for: counting the page
-- would mean keeping it, and that is a tenth of the cost of everybody's list.

with audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'authz_admin', 'account', $2::uuid, 'success', $5::text, $6::inet,
         jsonb_build_object('event', 'pet_list', 'limit', $4::int4 - 1, 'before', $3::uuid)
  where current_setting('pets.role', true) = 'ADMIN'
    and $2::uuid is distinct from $1::uuid
)
select *
from (
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags::text[] as tags, created_at, updated_at, version
    from pets.pet
    where owner_id = (
        select case when current_setting('pets.role', true) = 'ADMIN' then $2::uuid else $1::uuid end)
      and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
    order by id desc
    limit 101
  )
  union all
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags::text[] as tags, created_at, updated_at, version
    from pets.pet
    where (select current_setting('pets.role', true) = 'ADMIN' and $2::uuid is null)
      and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
    order by id desc
    limit 101
  )
) page
order by id desc
limit $4::int4
