-- reset_lookup: Find whose password a link may change.
-- pool: auth
-- params: link_hash bytea, request_id text, address inet
-- columns: email text, display_name text, mfa bool
-- writes: yes
--
-- Without an identity. No row: the link was never good, is over or was used; that
-- is recorded. reset_link_link_hash_key, account_pkey and totp_pkey serve it.

with found as materialized (
  select a.email, a.display_name,
         exists (
           select from pets.totp t
           where t.account_id = a.id and t.confirmed_at is not null
         ) as mfa
  from pets.reset_link l
  join pets.account a on a.id = l.account_id
  where l.link_hash = $1::bytea
    and l.used_at is null
    and l.expires_at > now()
    and a.state = 'active'
),
audited as (
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  select null, 'authn_token_fail', 'reset_link', null, 'failure', $2::text, $3::inet,
         jsonb_build_object('kind', 'reset_password')
  where not exists (select from found)
)
select email, display_name, mfa
from found
