-- session_open: Open a session for an account that has proved who it is.
-- pool: auth
-- params: session_id uuid, account_id uuid, refresh_hash bytea, mfa bool, idle_s int4, absolute_s int4, address inet, user_agent text, request_id text, limits int4[], known_networks int4, receipt text, give_percent int4, mail_id uuid, credential_generation int4, refresh_key_id text, kid text
-- columns: expires_in int4
-- writes: yes
--
-- Without an identity. No row, and nothing written: the account is not active, or has
-- another password than the one, of this generation, that was given for this session.
-- A long user agent is cut. The pool cannot read sessions without an identity, so
-- the times are worked out first and then inserted. What the attempt took is given
-- back, and its network is known from now on. A sign-in from one that was not is told
-- by mail (from any, when none are remembered), unless mail_id is null. kid is the key
-- that the access token will be signed with. account_pkey and signing_key_pkey serve it.

with opened as materialized (
  select id as account_id, least($5::int4, $6::int4) as idle_s
  from pets.account
  where id = $2::uuid
    and pets.hold_credential(id, $15::int4)
),
inserted as (
  insert into pets.session
    (id, account_id, refresh_hash, refresh_key_id, mfa, expires_at, ends_at, address, user_agent)
  select $1::uuid, account_id, $3::bytea, $16::text, $4::bool,
         now() + make_interval(secs => idle_s), now() + make_interval(secs => $6::int4), $7::inet,
         left($8::text, 256)
  from opened
),
known as materialized (
  select account_id, pets.throttle_known(account_id, $7::inet, $10::int4[], $11::int4) as news
  from opened
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select $14::uuid, 'new_sign_in', a.id, a.email, $7::inet
  from known k
  join pets.account a on a.id = k.account_id
  where coalesce(k.news, true)
    and $14::uuid is not null
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select account_id, 'authn_login_success', 'session', $1::uuid, 'success', $9::text, $7::inet,
         jsonb_build_object('mfa', $4::bool)
  from opened
)
select idle_s as expires_in
from opened
cross join known
cross join lateral pets.throttle_give($12::text, $13::int4)
cross join lateral pets.signing_key_note($17::text)
