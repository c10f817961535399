-- mail_sent: Note that a message was handed over, and forget what was in it.
-- pool: mail
-- params: id uuid, attempt int4
-- columns: id uuid
-- writes: yes
--
-- No row: the lease was over, and another sender has the message. mail_outbox_pkey
-- serves it.

update pets.mail_outbox
set sent_at = now(),
    recipient = null,
    link_id = null,
    address = null,
    last_error = null
where id = $1::uuid
  and attempts = $2::int4
  and sent_at is null
  and failed_at is null
returning id
