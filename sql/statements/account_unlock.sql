-- account_unlock: Forget what failed attempts have taken from an account's buckets, for an operator.
-- pool: ops
-- params: id uuid, address inet, ipv4_bits int4, ipv6_bits int4, operator text, reason text
-- columns: buckets int4, codes bool
-- writes: yes
--
-- petsctl runs it, for an account that is there. buckets is how many were not empty;
-- codes, whether tries of its second factor were counted, anywhere. totp_pkey, throttle_pkey and
-- known_network_pkey serve it.

with known as materialized (
  select pets.code_forgive($1::uuid) as codes
),
codes as (
  update pets.totp
  set tries = 0
  where account_id = (select $1::uuid from known)
    and tries > 0
  returning account_id
),
forgotten as materialized (
  select pets.throttle_forget($1::uuid, $2::inet, $3::int4, $4::int4) as buckets
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'authn_login_unlock', 'account', $1::uuid, 'success',
         jsonb_build_object('operator', $5::text, 'reason', $6::text)
  from forgotten
)
select buckets, codes or exists (select from codes) as codes
from forgotten
cross join known
