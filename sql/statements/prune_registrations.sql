-- prune_registrations: Delete registrations whose link has expired.
-- pool: prune
-- params: most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. registration_expires_at_idx and registration_pkey serve it.

with gone as (
  delete from pets.registration
  where id = any (array(
    select id
    from pets.registration
    where expires_at < now()
    order by expires_at
    limit $1::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'registration', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $2::text, 'reason', $3::text, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
