-- password_change: Give the caller another password, and end the other sessions and logins.
-- pool: auth
-- params: own uuid, session_id uuid, generation int4, hash text, pepper_id text, mail_id uuid, request_id text, address inet, receipt text, give_percent int4, revoke_keys bool
-- columns: account_id uuid
-- writes: yes
--
-- After enter. No row, and nothing written: the password that was checked, of this
-- generation, is not the current one any more; a newer hash of it does not matter. Who
-- holds the credential to open a session is waited for, and that session ends, too,
-- which is why a function ends them: it sees what this statement could not. API keys
-- are ended if that is asked for. The caller has proved who it is just now, and what the
-- attempt took is given back. mail_id is null when nobody is told. credential_pkey,
-- session_account_id_idx, login_challenge_account_id_idx, account_pkey and
-- throttle_pkey serve it.

with changed as (
  update pets.credential
  set hash = $4::text, pepper_id = $5::text, generation = generation + 1, updated_at = now()
  where account_id = $1::uuid
    and generation = $3::int4
  returning account_id
),
closed as materialized (
  select pets.end_sessions(account_id, $2::uuid) as sessions
  from changed
),
keys as materialized (
  select case when $11::bool then pets.end_keys(c.account_id) else 0 end as keys
  from changed c
  cross join closed
),
begun as (
  delete from pets.login_challenge
  where account_id = (select account_id from changed)
),
proved as (
  update pets.session
  set authenticated_at = now()
  where id = $2::uuid
    and account_id = (select account_id from changed)
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select $6::uuid, 'password_changed', a.id, a.email, $8::inet
  from changed c
  join pets.account a on a.id = c.account_id
  where $6::uuid is not null
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_password_change', 'account', account_id, 'success', $7::text, $8::inet,
         jsonb_build_object('sessions_ended', (select sessions from closed),
                            'api_keys_revoked', (select keys from keys))
  from changed
)
select account_id
from changed
cross join lateral pets.throttle_give($9::text, $10::int4)
