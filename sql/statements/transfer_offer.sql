-- transfer_offer: Offer one of the caller's pets to somebody.
-- pool: api
-- params: id uuid, pet_id uuid, own uuid, to_id uuid, to_email text, days int4, request_id text, address inet
-- columns: self bool, many bool, id uuid, pet_id uuid, pet_name text, pet_species text, from_id uuid, from_name text, to_id uuid, to_email text, state text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz
-- writes: yes
--
-- After enter. No row: no such pet, or not the caller's. Whether there is anybody with
-- to_id or to_email is not looked at. The offer's id is null when none was made: self says
-- that it would be to the caller, many that 100 offers of the caller's are open (or nearly,
-- when many are made at once), and else another offer of this pet is open
-- (transfer_pet_open_key). An open one whose time is over is ended first; a case
-- tells which, lest the index of times is walked. pet_owner_id_idx
-- and transfer_from_open_idx serve it.

with me as materialized (
  select email_key, display_name
  from pets.own_account()
),
target as materialized (
  select p.id, p.name, p.species,
         coalesce($4::uuid = $3::uuid, false) or coalesce(lower($5::text) = me.email_key, false) as self,
         (select count(*) from pets.transfer o where o.from_id = $3::uuid and o.ended_at is null) >= 100 as many,
         me.display_name
  from pets.pet p, me
  where p.id = $2::uuid
    and p.owner_id = $3::uuid
  for update of p
),
lapsed as (
  update pets.transfer x
  set state = 'expired',
      ended_at = now()
  from target t
  where x.pet_id = t.id
    and x.ended_at is null
    and case when x.expires_at <= now() then true else false end
  returning x.id
),
made as (
  insert into pets.transfer
    (id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, expires_at)
  select $1::uuid, t.id, t.name, t.species, $3::uuid, t.display_name, $4::uuid, $5::text,
         now() + make_interval(days => $6::int4)
  from target t, (select count(*) from lapsed) l
  where not t.self
    and not t.many
  on conflict (pet_id) where ended_at is null do nothing
  returning id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, created_at,
            expires_at, ended_at
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $3::uuid, 'pet_transfer_offered', 'pet', pet_id, 'success', $7::text, $8::inet,
         jsonb_build_object('transfer_id', id, 'expires_at', expires_at)
  from made
)
select t.self, t.many, m.id, m.pet_id, m.pet_name, m.pet_species, m.from_id, m.from_name, m.to_id,
       m.to_email, m.state, m.created_at, m.expires_at, m.ended_at
from target t
left join made m on m.pet_id = t.id
