-- session_find: List the sessions of an account, newest first, for an operator.
-- pool: ops
-- params: account_id uuid, ended bool
-- columns: id uuid, created_at timestamptz, last_used_at timestamptz, expires_at timestamptz, revoked_at timestamptz, live bool, mfa bool, address text, user_agent text
-- writes: no
--
-- petsctl runs it; with ended, also those that are over. session_account_id_idx
-- serves it.

select id, created_at, refreshed_at as last_used_at, expires_at, revoked_at,
       revoked_at is null and expires_at > now() as live, mfa, host(address) as address, user_agent
from pets.session
where account_id = $1::uuid
  and ($2::bool or revoked_at is null and expires_at > now())
order by id desc
limit 1000
