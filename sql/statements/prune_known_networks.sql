-- prune_known_networks: Forget networks that nobody has signed in from for long.
-- pool: prune
-- params: days int4, most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. known_network_last_seen_idx serves it.

with gone as (
  delete from pets.known_network
  where ctid = any (array(
    select ctid
    from pets.known_network
    where last_seen < now() - make_interval(days => $1::int4)
    order by last_seen
    limit $2::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'known_network', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $3::text, 'reason', $4::text, 'days', $1::int4, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
