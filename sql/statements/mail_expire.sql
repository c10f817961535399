-- mail_expire: Give up the messages whose link is no longer good for anything.
-- pool: mail
-- params:
-- columns: id uuid, kind text
-- writes: yes
--
-- petsctl mail send runs it first. Rows that another sender has in hand are left to
-- it. mail_outbox_due_idx serves it: only what is on its way is looked at.

update pets.mail_outbox m
set failed_at = now(),
    last_error = 'expired',
    recipient = null,
    link_id = null,
    address = null
from (
  select id
  from pets.mail_outbox
  where sent_at is null
    and failed_at is null
    and not_before <= now()
    and expires_at <= now()
  order by not_before, id
  for update skip locked
) late
where m.id = late.id
returning m.id, m.kind
