-- account_request: Ask for an account, whose address is yet to be verified.
-- pool: auth
-- params: id uuid, email text, display_name text, hash text, pepper_id text, link_hash bytea, lifetime_s int4, request_id text, address inet, limits int4[]
-- columns: refused text, retry_s int4, remaining int4, reset_s int4, receipt text
-- writes: yes
--
-- Without an identity. id is that of the account to be, of the link and of the
-- message. Whether there is such an account is said to the address alone, and the
-- same rows are written for either. When the address has been sent as many messages
-- as fit (limits, kind mailbox), refused says so, and the message is to nobody.
-- account_email_key and throttle_pkey serve it; what was asked for and has expired is
-- removed on the way, by registration_expires_at_idx.

with held as materialized (
  select a.id, $2::text as email
  from (values (true)) one
  left join pets.account a on a.email_key = lower($2::text)
),
mailbox as materialized (
  select refused, retry_s, remaining, reset_s, receipt
  from pets.throttle_take('mailbox', $2::text, null, $9::inet, $10::int4[])
),
swept as (
  delete from pets.registration
  where id in (
    select id
    from pets.registration
    where expires_at < now()
    order by expires_at
    limit 10
    for update skip locked
  )
),
asked as (
  insert into pets.registration (id, link_hash, email, display_name, hash, pepper_id, expires_at)
  values ($1::uuid, $6::bytea, $2::text, $3::text, $4::text, $5::text,
          now() + make_interval(secs => $7::int4))
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, link_id, expires_at, sent_at)
  select $1::uuid, case when id is null then 'verify_email' else 'already_registered' end, id,
         case when refused is null then email end,
         case when refused is null and id is null then $1::uuid end,
         case when id is null then now() + make_interval(secs => $7::int4) end,
         case when refused is not null then now() end
  from held
  cross join mailbox
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select null, 'user_registration_requested', 'account', coalesce(id, $1::uuid), 'success',
         $8::text, $9::inet, jsonb_build_object('taken', id is not null, 'told', refused is null)
  from held
  cross join mailbox
)
select refused, retry_s, remaining, reset_s, receipt
from mailbox
