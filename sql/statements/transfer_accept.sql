-- transfer_accept: Take a pet that was offered to the caller.
-- pool: api
-- params: id uuid, own uuid, request_id text, address inet
-- columns: done bool, id uuid, pet_id uuid, pet_name text, pet_species text, from_id uuid, from_name text, to_id uuid, to_email text, state text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz
-- writes: yes
--
-- After enter. No row: there is no such offer, or it is not to the caller. done is false
-- when it has ended, or its pet is not there any more. The pet is the caller's then, at a
-- new version; the line of its history belongs to the new owner, who sees none before it.
-- transfer_pkey and pet_pkey serve it.

with accepted as materialized (
  select a.done, a.pet, (a.taken).*,
         jsonb_build_object(
           'name', (a.pet).name, 'species', (a.pet).species, 'breed', (a.pet).breed,
           'sex', (a.pet).sex, 'born_on', (a.pet).born_on, 'weight_grams', (a.pet).weight_grams,
           'microchip', (a.pet).microchip, 'notes', (a.pet).notes, 'tags', (a.pet).tags) as content
  from pets.accept_transfer($1::uuid) a
),
recorded as (
  insert into pets.pet_history (pet_id, version, action, owner_id, actor_id, old, new)
  select pet_id, (pet).version, 'transfer', $2::uuid, $2::uuid,
         content || jsonb_build_object('owner_id', from_id),
         content || jsonb_build_object('owner_id', $2::uuid)
  from accepted
  where done
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'pet_transferred', 'pet', pet_id, 'success', $3::text, $4::inet,
         jsonb_build_object('transfer_id', id, 'old', from_id, 'new', $2::uuid)
  from accepted
  where done
)
select done, id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state,
       created_at, expires_at, ended_at
from accepted
