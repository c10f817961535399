-- transfer_end: Decline an offer, or withdraw one's own.
-- pool: api
-- params: id uuid, own uuid, verdict text, request_id text, address inet
-- columns: done bool, id uuid, pet_id uuid, pet_name text, pet_species text, from_id uuid, from_name text, to_id uuid, to_email text, state text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz
-- writes: yes
--
-- After enter. verdict is declined, by who it is offered to, or withdrawn, by who offers. No
-- row: there is no such offer. done is false when it has ended before. transfer_pkey serves it.

with target as materialized (
  select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, created_at,
         expires_at, ended_at
  from pets.transfer
  where id = $1::uuid
    and case $3::text
          when 'withdrawn' then from_id = $2::uuid
          else to_id = $2::uuid or to_email_key = (select o.email_key from pets.own_account() o)
        end
),
changed as (
  update pets.transfer x
  set state = $3::text,
      ended_at = now()
  from target t
  where x.id = $1::uuid
    and x.state = 'offered'
    and x.expires_at > now()
  returning x.id, x.pet_id, x.state, x.ended_at
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid,
         case state when 'declined' then 'pet_transfer_declined' else 'pet_transfer_withdrawn' end,
         'pet', pet_id, 'success', $4::text, $5::inet, jsonb_build_object('transfer_id', id)
  from changed
)
select c.id is not null as done, t.id, t.pet_id, t.pet_name, t.pet_species, t.from_id, t.from_name,
       t.to_id, t.to_email, coalesce(c.state, t.state) as state, t.created_at, t.expires_at,
       coalesce(c.ended_at, t.ended_at) as ended_at
from target t
left join changed c on c.id = t.id
