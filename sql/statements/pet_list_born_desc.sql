-- pet_list_born_desc: List a page of pets by birthday, youngest first.
-- pool: api
-- params: own uuid, owner uuid, before uuid, species text, sex text, tag text, born_after date, born_before date, q text, limit int4, request_id text, address inet, before_key date
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4, matched bool, last bool
-- writes: no
--
-- After enter. own is the caller; owner (null: everybody's) is honoured for an ADMIN
-- only, anybody else gets his own. before and before_key (its birthday) is where the
-- page before ended. The next six are filters (see pet_matches), null: none. limit is
-- one more than the page holds.
--
-- A walk of at most 4,000 pets (sql/schema/deploy/listing.sql). Its last one is given
-- whether it is wanted or not, and says so: when the page is not full by then, there may
-- be more behind it. Pets whose birthday is not known come last: they are walked when
-- the others have come to their end. Where they began, before_key is null. There are two
-- branches, and the role decides which one runs: pet_owner_born_on_idx and
-- pet_owner_born_unknown_idx serve one owner, pet_born_on_idx and pet_born_unknown_idx
-- everybody. pet_list says more.
--
-- A page of other people's pets shown to an ADMIN leaves one audit event, without what
-- was searched for.

with audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'authz_admin', 'account', $2::uuid, 'success', $11::text, $12::inet,
         jsonb_strip_nulls(jsonb_build_object(
           'event', 'pet_list', 'limit', $10::int4 - 1, 'sort', '-born_on', 'before', $3::uuid,
           'species', $4::text, 'sex', $5::text, 'born_after', $7::date,
           'born_before', $8::date, 'searched', $6::text is not null or $9::text is not null))
  where current_setting('pets.role', true) = 'ADMIN'
    and $2::uuid is distinct from $1::uuid
),
known as materialized (
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags, created_at, updated_at, version, name_key, matched,
           walked = 4000 as last
    from (
      select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
             tags::text[] as tags, created_at, updated_at, version, name_key,
             row_number() over (order by born_on desc, id desc) as walked
      from pets.pet
      where owner_id = (
          select case when current_setting('pets.role', true) = 'ADMIN' then $2::uuid
                      else $1::uuid end)
        and ($3::uuid is null or $13::date is not null)
        and (born_on, id) < (
          case when $13::date is not null then $13::date
               when $8::date is not null then $8::date else 'infinity' end,
          case when $3::uuid is null then '00000000-0000-0000-0000-000000000000' else $3::uuid end)
        and born_on > case when $7::date is null then '-infinity' else $7::date end
      order by born_on desc, id desc
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by born_on desc, id desc
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
             row_number() over (order by born_on desc, id desc) as walked
      from pets.pet
      where (select current_setting('pets.role', true) = 'ADMIN' and $2::uuid is null)
        and ($3::uuid is null or $13::date is not null)
        and (born_on, id) < (
          case when $13::date is not null then $13::date
               when $8::date is not null then $8::date else 'infinity' end,
          case when $3::uuid is null then '00000000-0000-0000-0000-000000000000' else $3::uuid end)
        and born_on > case when $7::date is null then '-infinity' else $7::date end
      order by born_on desc, id desc
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by born_on desc, id desc
    limit 101
  )
  order by born_on desc, id desc
  limit $10::int4
),
unknown as materialized (
  (
    select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
           tags, created_at, updated_at, version, name_key, matched,
           walked = 4000 as last
    from (
      select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
             tags::text[] as tags, created_at, updated_at, version, name_key,
             row_number() over (order by id desc) as walked
      from pets.pet
      where owner_id = (
          select case when current_setting('pets.role', true) = 'ADMIN' then $2::uuid
                      else $1::uuid end)
        and $7::date is null and $8::date is null
        and born_on is null
        and id < case when $3::uuid is null or $13::date is not null
            then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
      order by id desc
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by id desc
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
             row_number() over (order by id desc) as walked
      from pets.pet
      where (select current_setting('pets.role', true) = 'ADMIN' and $2::uuid is null)
        and $7::date is null and $8::date is null
        and born_on is null
        and id < case when $3::uuid is null or $13::date is not null
            then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
      order by id desc
      limit 4000
    ) walk
    cross join lateral (
      select pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                              $4::text, $5::text, $6::text, $7::date, $8::date, $9::text) as matched
    ) verdict
    where matched or walked = 4000
    order by id desc
    limit 101
  )
  order by id desc
  limit (select case when bool_or(last) then 0 else $10::int4 - count(*) end from known)
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
       created_at, updated_at, version, matched, last
from (select * from known union all select * from unknown) page
order by born_on is null, born_on desc, id desc
