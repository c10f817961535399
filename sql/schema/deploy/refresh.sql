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
--   unknown   the one before it was given within the grace time, and the caller has not
--             the key, of this id, that its successor was derived from
--
-- A successor is derived from a key, and while that is being changed callers have
-- several, or others. So each brings what it could derive, its own key first: a new
-- successor is of that one; a repeated one must be what is stored, whichever it is of,
-- since two different ones would be told from each other later, and the one that nobody
-- stored would be taken for a copy. Who does not know the key looks for it and comes
-- again; when it cannot be had (last_call), another successor takes the place of one
-- that perhaps nobody has got.
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
  session_id uuid, generation integer, given_hash bytea, genuine boolean, key_ids text[],
  successor_hashes bytea[], last_call boolean, idle_s integer, grace_s integer, request_id text,
  address inet, user_agent text, kid text,
  out verdict text, out account_id uuid, out expires_at timestamptz, out successor integer,
  out key_id text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held record;
begin
  select s.account_id, s.generation, s.refresh_hash, s.previous_hash, s.refresh_key_id,
         s.refreshed_at, s.ends_at,
         s.revoked_at is null and s.expires_at > now() and a.state = 'active' as live
  into held
  from pets.session s
  join pets.account a on a.id = s.account_id
  where s.id = refresh.session_id
  for no key update of s;
  refresh.account_id := held.account_id;
  successor := 1;
  if held.live and refresh.generation = held.generation
     and refresh.given_hash = held.refresh_hash then
    verdict := 'rotated';
  elsif held.live and refresh.generation = held.generation - 1
     and refresh.given_hash = held.previous_hash
     and held.refreshed_at > now() - make_interval(secs => refresh.grace_s) then
    verdict := 'repeated';
    successor := array_position(refresh.successor_hashes, held.refresh_hash);
    if successor is null and not refresh.last_call then
      verdict := 'unknown';
      refresh.key_id := held.refresh_key_id;
      return;
    end if;
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
        refresh_hash = refresh.successor_hashes[1],
        refresh_key_id = refresh.key_ids[1],
        refreshed_at = now(),
        expires_at = least(now() + make_interval(secs => refresh.idle_s), s.ends_at),
        address = coalesce(refresh.address, s.address),
        user_agent = coalesce(left(refresh.user_agent, 256), s.user_agent)
    where s.id = refresh.session_id;
  elsif successor is null then
    successor := 1;
    update pets.session s
    set refresh_hash = refresh.successor_hashes[1],
        refresh_key_id = refresh.key_ids[1]
    where s.id = refresh.session_id;
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
  if verdict <> 'reused' then
    perform pets.signing_key_note(refresh.kid);
  end if;
end
$$;

grant execute on function pets.refresh(
  uuid, integer, bytea, boolean, text[], bytea[], boolean, integer, integer, text, inet, text,
  text)
to pets_auth;

commit;
