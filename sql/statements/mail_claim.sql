-- mail_claim: Take the message that has been due longest, for a while.
-- pool: mail
-- params: lease_s int4
-- columns: id uuid, kind text, recipient text, link_id uuid, address text, created_at timestamptz, expires_at timestamptz, attempt int4
-- writes: yes
--
-- petsctl mail send runs it. No row: nothing is due. A row that another sender is
-- taking is passed over, so two never get the same; a sender that does not say how
-- it went within lease_s gives the row back. mail_outbox_due_idx serves it.

with due as materialized (
  select id
  from pets.mail_outbox
  where sent_at is null
    and failed_at is null
    and not_before <= now()
    and (expires_at is null or expires_at > now())
  order by not_before, id
  limit 1
  for update skip locked
)
update pets.mail_outbox m
set attempts = m.attempts + 1,
    not_before = now() + make_interval(secs => $1::int4)
from due
where m.id = due.id
returning m.id, m.kind, m.recipient, m.link_id, host(m.address) as address, m.created_at,
          m.expires_at, m.attempts as attempt
