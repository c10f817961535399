-- pet_list_microchip: List the one pet that has a microchip, if it passes filters.
-- pool: api
-- params: own uuid, owner uuid, microchip text, species text, sex text, tag text, born_after date, born_before date, q text, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter. own is the caller; owner (null: everybody's) is honoured for an ADMIN
-- only, anybody else gets his own. The rest are filters (see pet_matches), null: none.
-- pet_microchip_key serves it. Another's pet looked for by an ADMIN leaves one audit event.

with audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $1::uuid, 'authz_admin', 'account', $2::uuid, 'success', $10::text, $11::inet,
         jsonb_build_object('event', 'pet_list', 'searched', true)
  where current_setting('pets.role', true) = 'ADMIN'
    and $2::uuid is distinct from $1::uuid
)
select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from pets.pet
where microchip = $3::text
  and case when current_setting('pets.role', true) = 'ADMIN'
        then $2::uuid is null or owner_id = $2::uuid
        else owner_id = $1::uuid
      end
  and pets.pet_matches(name_key, species, sex, tags::text[], born_on,
                       $4::text, $5::text, $6::text, $7::date, $8::date, $9::text)
