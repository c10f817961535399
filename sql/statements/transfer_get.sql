-- transfer_get: Read an offer of the caller's, or one to the caller.
-- pool: api
-- params: id uuid, own uuid
-- columns: id uuid, pet_id uuid, pet_name text, pet_species text, from_id uuid, from_name text, to_id uuid, to_email text, state text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz
-- writes: no
--
-- After enter. No row: there is none, or it is between others. transfer_pkey serves it.

select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email,
       case when state = 'offered' and expires_at <= now() then 'expired' else state end as state,
       created_at, expires_at, ended_at
from pets.transfer
where id = $1::uuid
  and (from_id = $2::uuid or to_id = $2::uuid
       or to_email_key = (select o.email_key from pets.own_account() o))
