-- transfer_list: List a page of the caller's offers and of those to the caller, newest first.
-- pool: api
-- params: own uuid, direction text, before uuid, limit int4
-- columns: id uuid, pet_id uuid, pet_name text, pet_species text, from_id uuid, from_name text, to_id uuid, to_email text, state text, created_at timestamptz, expires_at timestamptz, ended_at timestamptz
-- writes: no
--
-- After enter. direction is incoming, outgoing, or null for both; before is the last id of
-- the page before; limit is one more than the page holds, at most 101. Each branch walks an
-- index from the cursor on: transfer_from_id_idx, transfer_to_id_idx, transfer_to_email_idx.
-- An offer by address that has been accepted has the id, too; it is one of the second.

select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email,
       case when state = 'offered' and expires_at <= now() then 'expired' else state end as state,
       created_at, expires_at, ended_at
from (
  (
    select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, created_at,
           expires_at, ended_at
    from pets.transfer
    where from_id = $1::uuid
      and ($2::text is null or $2::text = 'outgoing')
      and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
    order by id desc
    limit 101
  )
  union all
  (
    select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, created_at,
           expires_at, ended_at
    from pets.transfer
    where to_id = $1::uuid
      and ($2::text is null or $2::text = 'incoming')
      and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
    order by id desc
    limit 101
  )
  union all
  (
    select id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, state, created_at,
           expires_at, ended_at
    from pets.transfer
    where to_email_key = (select o.email_key from pets.own_account() o)
      and to_id is null
      and ($2::text is null or $2::text = 'incoming')
      and id < case when $3::uuid is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else $3::uuid end
    order by id desc
    limit 101
  )
) page
order by id desc
limit $4::int4
