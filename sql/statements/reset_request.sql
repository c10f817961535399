-- reset_request: Ask for a link that chooses another password.
-- pool: auth
-- params: id uuid, email text, link_hash bytea, lifetime_s int4, request_id text, address inet
-- columns: account_id uuid
-- writes: yes
--
-- Without an identity. id is that of the link and of the message. account_id is
-- null when the address is nobody's, or that of a disabled account; the same rows
-- are written, and the message is to nobody. account_email_key serves it; links
-- that are long over are removed on the way, by reset_link_expires_at_idx.

with found as materialized (
  select a.id, a.email
  from (values (true)) one
  left join pets.account a on a.email_key = lower($2::text) and a.state = 'active'
),
swept as (
  delete from pets.reset_link
  where id in (
    select id
    from pets.reset_link
    where expires_at < now() - interval '1 day'
    order by expires_at
    limit 10
    for update skip locked
  )
),
linked as (
  insert into pets.reset_link (id, link_hash, account_id, expires_at)
  select $1::uuid, $3::bytea, id, now() + make_interval(secs => $4::int4)
  from found
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient, link_id, expires_at, sent_at)
  select $1::uuid, 'reset_password', id, email, case when id is not null then $1::uuid end,
         now() + make_interval(secs => $4::int4), case when id is null then now() end
  from found
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address)
  select null, 'authn_password_reset_requested', 'account', id, 'success', $5::text, $6::inet
  from found
)
select id as account_id
from found
