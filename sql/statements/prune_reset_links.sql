-- prune_reset_links: Delete links for another password that have been over for a day.
-- pool: prune
-- params: most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. reset_link_expires_at_idx and reset_link_pkey serve it.

with gone as (
  delete from pets.reset_link
  where id = any (array(
    select id
    from pets.reset_link
    where expires_at < now() - interval '1 day'
    order by expires_at
    limit $1::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'reset_link', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $2::text, 'reason', $3::text, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
