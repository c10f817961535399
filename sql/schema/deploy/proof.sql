-- Deploy pets:proof to pg
--
-- What a password proves, it proves of the moment at which something is done with it,
-- and checking one takes a while. So whoever opens something with it says of which
-- generation it was, and holds account and credential to the end of the transaction;
-- whoever changes the password, or disables the account, changes the same rows. One of
-- the two is first. If it is the former, the latter waits, and then ends what has been
-- opened: it must look for sessions after it has waited, which is what a function does
-- and one statement cannot.

begin;

set local role pets_owner;

-- To hold a row takes the right to update one: before there is an identity anybody's is
-- held, then one's own, and none is updated by that.
create policy auth_hold on pets.account
for update to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
)
with check (false);

create policy auth_hold on pets.credential
for update to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null)
with check (false);

-- True when the account is active and its password is of this generation; then both stay
-- so until the end of the transaction. It runs with the privileges of the pool.
create function pets.hold_credential(account uuid, generation integer) returns boolean
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform a.id
  from pets.account a
  where a.id = hold_credential.account
    and a.state = 'active'
  for share;
  if not found then
    return false;
  end if;
  perform c.account_id
  from pets.credential c
  where c.account_id = hold_credential.account
    and c.generation = hold_credential.generation
  for share;
  return found;
end
$$;

-- Ends the live sessions of an account but one (null: all), as they are now and not as
-- they were when the statement began; with the privileges of whoever calls. Returns how
-- many there were.
create function pets.end_sessions(account uuid, but_one uuid) returns integer
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  ended integer;
begin
  update pets.session s
  set revoked_at = now()
  where s.account_id = end_sessions.account
    and s.revoked_at is null
    and s.expires_at > now()
    and s.id is distinct from end_sessions.but_one;
  get diagnostics ended = row_count;
  return ended;
end
$$;

-- The same for its live API keys. Who makes a key holds the session in which that is
-- done (hold_session): after those have been ended, every key is seen.
create function pets.end_keys(account uuid) returns integer
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  ended integer;
begin
  update pets.api_key k
  set revoked_at = now()
  where k.account_id = end_keys.account
    and k.revoked_at is null
    and k.expires_at > now();
  get diagnostics ended = row_count;
  return ended;
end
$$;

-- True, and the caller's session stays live until the end of the transaction. PE001, as
-- enter says: it has ended meanwhile.
create function pets.hold_session(session_id uuid) returns boolean
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  perform s.id
  from pets.session s
  where s.id = hold_session.session_id
    and s.revoked_at is null
  for share;
  if not found then
    raise exception 'session ended' using errcode = 'PE001';
  end if;
  return true;
end
$$;

grant execute on function pets.hold_credential(uuid, integer), pets.hold_session(uuid) to pets_auth;
grant execute on function pets.end_sessions(uuid, uuid), pets.end_keys(uuid) to pets_auth, pets_ops;

commit;
