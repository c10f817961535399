-- api_key_create: Make an API key for the caller.
-- pool: auth
-- params: id uuid, own uuid, name text, scopes text[], key_hash bytea, days int4, request_id text, address inet, session_id uuid
-- columns: id uuid, name text, scopes text[], created_at timestamptz, expires_at timestamptz, last_used_at timestamptz
-- writes: yes
--
-- After enter. No row: the caller has 100 live keys already, or nearly, when many
-- are made at once. PE001: the session in which it is made has ended meanwhile; it is
-- held, so that who ends sessions and keys sees this one. api_key_account_id_idx serves
-- the count, session_pkey the rest.

with held as materialized (
  select pets.hold_session($9::uuid) as held
),
made as (
  insert into pets.api_key (id, account_id, name, scopes, key_hash, expires_at)
  select $1::uuid, $2::uuid, $3::text, $4::text[], $5::bytea, now() + make_interval(days => $6::int4)
  from held
  where held.held and (
    select count(*)
    from pets.api_key
    where account_id = $2::uuid
      and revoked_at is null
      and expires_at > now()
  ) < 100
  returning id, name, scopes, created_at, expires_at, last_used_at
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'authn_token_created', 'api_key', id, 'success', $7::text, $8::inet,
         jsonb_build_object('entitlement', array_to_string(scopes, ' '), 'expires_at', expires_at)
  from made
)
select id, name, scopes, created_at, expires_at, last_used_at
from made
