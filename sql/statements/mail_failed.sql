-- mail_failed: Note that a message was not handed over: try again later, or give it up.
-- pool: mail
-- params: id uuid, attempt int4, error text, retry_s int4, attempts_max int4
-- columns: given_up bool
-- writes: yes
--
-- The pause is retry_s, doubled with every attempt, and an hour at most. It is
-- given up when attempts_max (0: at once) are used up, and forgotten as if it had
-- been sent. No row: the lease was over. mail_outbox_pkey serves it.

with over as materialized (
  select $2::int4 >= $5::int4 as given_up
)
update pets.mail_outbox m
set last_error = left($3::text, 256),
    not_before = now() + make_interval(
      secs => least($4::int4 * power(2, least($2::int4, 16) - 1), 3600)),
    failed_at = case when o.given_up then now() end,
    recipient = case when o.given_up then null else m.recipient end,
    link_id = case when o.given_up then null else m.link_id end,
    address = case when o.given_up then null else m.address end
from over o
where m.id = $1::uuid
  and m.attempts = $2::int4
  and m.sent_at is null
  and m.failed_at is null
returning o.given_up
