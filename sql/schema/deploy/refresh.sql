-- Deploy pets:refresh to pg
--
-- A refresh token is exchanged for its successor. A pool cannot read sessions
-- before it has an identity, so this is a function of the owner, which does this
-- one thing and says how it went:
--
--   rotated   the current token was given: the successor takes its place
--   repeated  the one before it was given within the grace time: an answer was
--             lost, and the same successor is right once more
--   reused    an older one was given, or that one too late: somebody has a copy,
--             so the session ends for all who hold a token of it
--   ended     no such live session, or the token was never one of it
--
-- The row is locked first: of many who come at once, one rotates and the others
-- are seen as what they are then. What says that a token is of this session is
-- its hash or, for older ones, that the caller has found it genuine.

begin;

set local role pets_owner;

create policy owner_refresh on pets.session
for update to pets_owner
using (true);

create policy owner_refresh on pets.audit_event
for insert to pets_owner
with check (true);

create function pets.refresh(
  session_id uuid, generation integer, given_hash bytea, genuine boolean, successor_hash bytea,
  idle_s integer, grace_s integer, request_id text, address inet, user_agent text,
  out verdict text, out account_id uuid, out expires_at timestamptz)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held record;
begin
  select s.account_id, s.generation, s.refresh_hash, s.previous_hash, s.refreshed_at, s.ends_at,
         s.revoked_at is null and s.expires_at > now() and a.state = 'active' as live
  into held
  from pets.session s
  join pets.account a on a.id = s.account_id
  where s.id = refresh.session_id
  for no key update of s;
  refresh.account_id := held.account_id;
  if held.live and refresh.generation = held.generation
     and refresh.given_hash = held.refresh_hash then
    verdict := 'rotated';
  elsif held.live and refresh.generation = held.generation - 1
     and refresh.given_hash = held.previous_hash
     and held.refreshed_at > now() - make_interval(secs => refresh.grace_s) then
    verdict := 'repeated';
  elsif held.live and refresh.generation < held.generation
     and (refresh.genuine or refresh.given_hash = held.previous_hash) then
    verdict := 'reused';
  else
    verdict := 'ended';
    return;
  end if;

  if verdict = 'reused' then
    update pets.session s
    set revoked_at = now()
    where s.id = refresh.session_id;
  elsif verdict = 'rotated' then
    update pets.session s
    set generation = s.generation + 1,
        previous_hash = s.refresh_hash,
        refresh_hash = refresh.successor_hash,
        refreshed_at = now(),
        expires_at = least(now() + make_interval(secs => refresh.idle_s), s.ends_at),
        address = coalesce(refresh.address, s.address),
        user_agent = coalesce(left(refresh.user_agent, 256), s.user_agent)
    where s.id = refresh.session_id;
  else
    -- The same, unless the key that tokens are derived from has changed meanwhile.
    update pets.session s
    set refresh_hash = refresh.successor_hash
    where s.id = refresh.session_id
      and s.refresh_hash <> refresh.successor_hash;
  end if;
  select s.expires_at into refresh.expires_at
  from pets.session s
  where s.id = refresh.session_id;
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  values
    (held.account_id,
     case verdict when 'reused' then 'authn_token_reuse' else 'session_renewed' end,
     'session', refresh.session_id,
     case verdict when 'reused' then 'failure' else 'success' end,
     refresh.request_id, refresh.address,
     jsonb_build_object('verdict', verdict, 'generation', refresh.generation));
end
$$;

grant execute on function pets.refresh(
  uuid, integer, bytea, boolean, bytea, integer, integer, text, inet, text) to pets_auth;

commit;
