-- second_factor_remove: Take the caller's second factor away.
-- pool: auth
-- params: own uuid, mail_id uuid, request_id text, address inet
-- columns: account_id uuid
-- writes: yes
--
-- After enter. Recovery codes go with it. No session of the account has seen a second
-- factor any more, so an administrator is a user from here on. No row: there was none.
-- mail_id is null when nobody is told. totp_pkey, recovery_code_pkey,
-- session_account_id_idx and account_pkey serve it.

with removed as (
  delete from pets.totp
  where account_id = $1::uuid
  returning account_id
),
unproved as (
  update pets.session s
  set mfa = false
  from removed m
  where s.account_id = m.account_id
    and s.mfa
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select $2::uuid, 'second_factor_changed', a.id, a.email, $4::inet
  from removed c
  join pets.account a on a.id = c.account_id
  where $2::uuid is not null
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'user_updated', 'account', account_id, 'success', $3::text, $4::inet,
         jsonb_build_object('second_factor', 'removed')
  from removed
)
select account_id
from removed
