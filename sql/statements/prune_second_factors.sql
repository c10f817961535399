-- prune_second_factors: Delete second factors that were begun a day ago, and never confirmed.
-- pool: prune
-- params: most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. totp_begun_idx and totp_pkey serve it.

with gone as (
  delete from pets.totp
  where account_id = any (array(
    select account_id
    from pets.totp
    where case when confirmed_at is null then created_at end < now() - interval '1 day'
    order by case when confirmed_at is null then created_at end
    limit $1::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'second_factor', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $2::text, 'reason', $3::text, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
