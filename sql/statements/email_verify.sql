-- email_verify: Open the account that was asked for, since its address is proved.
-- pool: auth
-- params: link_hash bytea, request_id text, address inet
-- columns: id uuid, email text, display_name text, role text, state text, created_at timestamptz, updated_at timestamptz, version int4
-- writes: yes
--
-- Without an identity. No row: the link was never good, is over, was followed
-- before, or its address has been taken meanwhile; that is recorded. Of many who
-- follow it at once the first has the row, and the others find none.
-- registration_link_hash_key and account_email_key serve it.

with followed as (
  delete from pets.registration
  where link_hash = $1::bytea
    and expires_at > now()
  returning id, email, display_name, hash, pepper_id
),
opened as (
  insert into pets.account (id, email, display_name)
  select id, email, display_name
  from followed
  on conflict (email_key) do nothing
  returning id, email, display_name, role, state, created_at, updated_at, version
),
secured as (
  insert into pets.credential (account_id, hash, pepper_id)
  select o.id, f.hash, f.pepper_id
  from opened o
  join followed f on f.id = o.id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select id, 'user_created', 'account', id, 'success', $2::text, $3::inet, null
  from opened
  union all
  select null, 'authn_token_fail', 'registration', null, 'failure', $2::text, $3::inet,
         jsonb_build_object('kind', 'verify_email')
  where not exists (select from opened)
)
select id, email, display_name, role, state, created_at, updated_at, version
from opened
