-- totp_enrol: Keep a new secret of one-time codes for the caller, to be confirmed.
-- pool: auth
-- params: own uuid, secret bytea, key_id text, request_id text, address inet
-- columns: email text
-- writes: yes
--
-- After enter. A secret that was not confirmed is replaced. No row, and nothing
-- written: there is a confirmed one. totp_pkey and account_pkey serve it.

with enrolled as (
  insert into pets.totp (account_id, secret, key_id)
  values ($1::uuid, $2::bytea, $3::text)
  on conflict (account_id) do update
  set secret = excluded.secret,
      key_id = excluded.key_id,
      created_at = now(),
      last_step = 0,
      tries = 0
  where totp.confirmed_at is null
  returning account_id
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $4::text, $5::inet,
         jsonb_build_object('second_factor', 'begun')
  from enrolled
)
select a.email
from enrolled e
join pets.account a on a.id = e.account_id
