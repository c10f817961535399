-- account_reset_link: Make a link by which somebody chooses another password, for an operator.
-- pool: ops
-- params: id uuid, link_id uuid, link_hash bytea, lifetime_s int4, operator text, reason text
-- columns: expires_at timestamptz
-- writes: yes
--
-- petsctl runs it, which prints the token for whoever hands it over. No row: no such
-- account, or a disabled one. account_pkey serves it.

with target as materialized (
  select id, now() + make_interval(secs => $4::int4) as expires_at
  from pets.account
  where id = $1::uuid
    and state = 'active'
),
linked as (
  insert into pets.reset_link (id, link_hash, account_id, expires_at)
  select $2::uuid, $3::bytea, id, expires_at
  from target
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'authn_token_created', 'account', id, 'success',
         jsonb_build_object('operator', $5::text, 'reason', $6::text,
                            'entitlement', 'password_reset')
  from target
)
select expires_at
from target
