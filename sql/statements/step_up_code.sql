-- step_up_code: Accept a one-time code as a new proof of identity in the caller's session.
-- pool: auth
-- params: own uuid, session_id uuid, step int8, secret bytea, key_id text, request_id text, address inet, limits int4[]
-- columns: account_id uuid
-- writes: yes
--
-- After enter, for a code that was right. Of several uses of a code one has a row. A
-- secret that is not null is the old one sealed anew. totp_pkey, session_pkey and
-- known_network_pkey serve it.

with accepted as (
  update pets.totp t
  set last_step = $3::int8,
      tries = case when pets.code_accept(t.account_id, $7::inet, $8::int4[]) then t.tries else 0 end,
      secret = coalesce($4::bytea, t.secret),
      key_id = coalesce($5::text, t.key_id)
  where t.account_id = $1::uuid
    and t.confirmed_at is not null
    and t.last_step < $3::int8
  returning t.account_id
),
proved as (
  update pets.session s
  set mfa = true,
      authenticated_at = now()
  from accepted a
  where s.account_id = a.account_id
    and s.id = $2::uuid
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_login_success', 'session', $2::uuid, 'success', $6::text, $7::inet,
         jsonb_build_object('step_up', 'code')
  from accepted
)
select account_id
from accepted
