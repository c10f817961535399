-- users_reset_link: Make a link by which somebody chooses another password.
-- pool: auth
-- params: id uuid, own uuid, link_id uuid, link_hash bytea, lifetime_s int4, reason text, request_id text, address inet
-- columns: expires_at timestamptz
-- writes: yes
--
-- After enter, for an ADMIN, who is given the token and hands it over. No row: no
-- such account, or a disabled one. account_pkey serves it.

with target as materialized (
  select id, now() + make_interval(secs => $5::int4) as expires_at
  from pets.account
  where id = $1::uuid
    and state = 'active'
),
linked as (
  insert into pets.reset_link (id, link_hash, account_id, expires_at)
  select $3::uuid, $4::bytea, id, expires_at
  from target
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select $2::uuid, 'authn_token_created', 'account', id, 'success', $7::text, $8::inet,
         jsonb_build_object('reason', $6::text, 'entitlement', 'password_reset')
  from target
)
select expires_at
from target
