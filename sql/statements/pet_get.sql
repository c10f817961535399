-- pet_get: Read one pet.
-- pool: api
-- params: id uuid, own uuid, request_id text, address inet
-- columns: id uuid, owner_id uuid, name text, species text, breed text, sex text, born_on date, weight_grams int4, microchip text, notes text, tags text[], created_at timestamptz, updated_at timestamptz, version int4
-- writes: no
--
-- After enter. No row: there is no such pet, or it is not the caller's. An ADMIN
-- sees every pet, and leaves an audit event when it is another's. pet_pkey serves it.

select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
       tags::text[] as tags, created_at, updated_at, version
from pets.pet
where id = $1::uuid
  and case
        when owner_id = $2::uuid then true
        when current_setting('pets.role', true) = 'ADMIN'
          then pets.audit_pet_read($1::uuid, $2::uuid, $3::text, $4::inet)
        else false
      end
