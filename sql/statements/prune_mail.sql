-- prune_mail: Delete messages that were sent or given up long ago.
-- pool: prune
-- params: days int4, most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. mail_outbox_over_idx and mail_outbox_pkey serve it.

with gone as (
  delete from pets.mail_outbox
  where id = any (array(
    select id
    from pets.mail_outbox
    where (sent_at is not null or failed_at is not null)
      and least(sent_at, failed_at) < now() - make_interval(days => $1::int4)
    order by least(sent_at, failed_at)
    limit $2::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'mail', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $3::text, 'reason', $4::text, 'days', $1::int4, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
