-- step_up_password: Accept the password as a new proof of identity in the caller's session.
-- pool: auth
-- params: own uuid, session_id uuid, generation int4, request_id text, address inet, receipt text, give_percent int4
-- columns: account_id uuid
-- writes: yes
--
-- After enter, for a password that was right and of this generation. No row, and
-- nothing written: it is another password by now, or the account has a second factor,
-- and then that is what to prove it with. What the attempt took is given back.
-- account_pkey, totp_pkey, session_pkey and throttle_pkey serve it.

with accepted as materialized (
  select a.id as account_id
  from pets.account a
  where a.id = $1::uuid
    and not exists (
      select from pets.totp t
      where t.account_id = a.id
        and t.confirmed_at is not null)
    and pets.hold_credential(a.id, $3::int4)
),
proved as (
  update pets.session s
  set authenticated_at = now()
  from accepted a
  where s.account_id = a.account_id
    and s.id = $2::uuid
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_login_success', 'session', $2::uuid, 'success', $4::text, $5::inet,
         jsonb_build_object('step_up', 'password')
  from accepted
)
select account_id
from accepted
cross join lateral pets.throttle_give($6::text, $7::int4)
