-- account_add: Add an account of either role, with a password.
-- pool: ops
-- params: id uuid, email text, display_name text, role text, hash text, pepper_id text, operator text, reason text
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- petsctl runs it. No row, and nothing written: the address is taken. (An error would
-- put the address into the log of PostgreSQL.) What the table's defaults give is put
-- together, since no more than the id may be read back. account_email_key serves it.

with opened as (
  insert into pets.account (id, email, display_name, role)
  values ($1::uuid, $2::text, $3::text, $4::text)
  on conflict (email_key) do nothing
  returning id
),
secured as (
  insert into pets.credential (account_id, hash, pepper_id)
  select id, $5::text, $6::text
  from opened
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'user_created', 'account', id, 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $7::text, 'reason', $8::text, 'role', $4::text))
  from opened
)
select id, $2::text as email, $3::text as display_name, $4::text as role,
       'active'::text as state, now() as created_at, now() as updated_at, 1 as version
from opened
