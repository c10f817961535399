-- prune_login_challenges: Delete logins that have waited for a second factor for too long.
-- pool: prune
-- params: most int4, operator text, reason text
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it deletes fewer than `most`, oldest first. Rows
-- that somebody else has in hand are left to him. (A login always expires after it was
-- begun: the later of the two is when, and has an index for this alone.)
-- login_challenge_over_idx and login_challenge_pkey serve it.

with gone as (
  delete from pets.login_challenge
  where token_hash = any (array(
    select token_hash
    from pets.login_challenge
    where greatest(created_at, expires_at) < now()
    order by greatest(created_at, expires_at)
    limit $1::int4
    for update skip locked))
  returning 1
),
audited as (
  insert into pets.audit_event (action, target_type, outcome, detail)
  select 'sensitive_delete', 'login_challenge', 'success',
         jsonb_strip_nulls(jsonb_build_object(
           'operator', $2::text, 'reason', $3::text, 'gone', count(*)))
  from gone
  having count(*) > 0
)
select count(*)::int4 as gone
from gone
