-- account_add: Add an account of either role, with a password.
-- pool: ops
-- params: id uuid, email text, display_name text, role text, hash text, pepper_id text, operator text, reason text
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- petsctl runs it. Fails with 23505 on account_email_key when the address is
-- taken. A row that was just inserted cannot be read in the same statement, so it is
-- put together from what was given and from the defaults of the table.

with opened as (
  insert into pets.account (id, email, display_name, role)
  values ($1::uuid, $2::text, $3::text, $4::text)
),
secured as (
  insert into pets.credential (account_id, hash, pepper_id)
  values ($1::uuid, $5::text, $6::text)
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  values ('user_created', 'account', $1::uuid, 'success',
          jsonb_strip_nulls(jsonb_build_object(
            'operator', $7::text, 'reason', $8::text, 'role', $4::text)))
)
select $1::uuid as id, $2::text as email, $3::text as display_name, $4::text as role,
       'active'::text as state, now() as created_at, now() as updated_at, 1 as version
