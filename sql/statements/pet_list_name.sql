-- pet_list_name: List a page of pets by name.
-- pool: api
-- params: own uuid, owner uuid, before uuid, species text, sex text, tag text, born_after date, born_before date, q text, limit int4, request_id text, address inet, before_key text
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4, matched bool, last bool
-- writes: no
--
-- After enter. own is the caller; owner (null: everybody's) is honoured for an ADMIN
-- only, anybody else gets his own. before and before_key (its name) is where the page
-- before ended. The next six are filters (see pet_matches), null: none. limit is one
-- more than the page holds.
--
-- A walk of at most 4,000 pets (sql/schema/deploy/listing.sql). Its last one is given
-- whether it is wanted or not, and says so: when the page is not full by then, there may
-- be more behind it. There are two branches, and the role decides which one runs:
-- pet_owner_name_idx serves one owner, pet_name_idx everybody. pet_list says more.
--
-- A page of other people's pets shown to an ADMIN leaves one audit event, without what
-- was searched for.

with audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'authz_admin', 'account', $2::uuid, 'success', $11::text, $12::inet,
         jsonb_strip_nulls(jsonb_build_object(
           'event', 'pet_list', 'limit', $10::int4 - 1, 'sort', 'name', 'before', $3::uuid,
           'species', $4::text, 'sex', $5::text, 'born_after', $7::date,
           'born_before', $8::date, 'searched', $6::text is not null or $9::text is not null))
  where current_setting('pets.role', true) = 'ADMIN'
    and $2::uuid is distinct from $1::uuid
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
       created_at, updated_at, version, matched, last
from (
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags, created_at, updated_at, version, name_key, matched,
           walked = 4000 as last
    from (
      select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
             tags::text[] as tags, created_at, updated_at, version, name_key,
             row_number() over (order by name_key, id) as walked
      from pets.pet
      where owner_id = (
          select case when current_setting('pets.role', true) = 'ADMIN' then $2::uuid
                      else $1::uuid end)
        and (name_key, id) > (
          case when $13::text is null then '' else lower($13::text) end,
          case when $3::uuid is null then '00000000-0000-0000-0000-000000000000' else $3::uuid end)
      order by name_key, id
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by name_key, id
    limit 101
  )
  union all
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags, created_at, updated_at, version, name_key, matched,
           walked = 4000 as last
    from (
      select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
             tags::text[] as tags, created_at, updated_at, version, name_key,
             row_number() over (order by name_key, id) as walked
      from pets.pet
      where (select current_setting('pets.role', true) = 'ADMIN' and $2::uuid is null)
        and (name_key, id) > (
          case when $13::text is null then '' else lower($13::text) end,
          case when $3::uuid is null then '00000000-0000-0000-0000-000000000000' else $3::uuid end)
      order by name_key, id
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by name_key, id
    limit 101
  )
) page
order by name_key, id
limit $10::int4
