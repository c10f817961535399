-- Deploy pets:enter to pg
--
-- The first statement of every authenticated request, sent in one pipeline, and
-- so one transaction, with the statement it protects. It looks the session and
-- the account up in one join over two primary keys, and leaves the identity in
-- two settings that end with the transaction; row-level security reads them.
-- If it raises, the rest of the pipeline does not run. It is plpgsql because
-- that keeps its plans for the life of the connection, and it assigns rather
-- than performs because an assignment is evaluated without an executor.
--
-- With need_mfa, an administrator whose session has not seen the second factor is
-- no more than a user.
--
-- PE001: no such live session of that account, or the account is disabled.
-- PE003: the account does not have the role that the request needs.
-- PE004: it does, but the session has not seen the second factor.
-- PE005: the person has proved who it is longer than max_age_s ago.

begin;

set local role pets_owner;

create function pets.enter(
  session_id uuid, account_id uuid, need_role text, need_mfa boolean, max_age_s integer)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  held_role text;
  ignored text;
begin
  select case when s.mfa or not enter.need_mfa or a.role = 'USER' then a.role else 'UNPROVEN' end
  into held_role
  from pets.session s
  join pets.account a on a.id = s.account_id
  where s.id = enter.session_id
    and s.account_id = enter.account_id
    and s.revoked_at is null
    and s.expires_at > now()
    and a.state = 'active';
  if held_role is null then
    raise exception 'session ended' using errcode = 'PE001';
  end if;
  if held_role = 'UNPROVEN' then
    if enter.need_role = 'ADMIN' then
      raise exception 'second factor missing' using errcode = 'PE004';
    end if;
    held_role := 'USER';
  end if;
  if held_role <> enter.need_role then
    raise exception 'role missing' using errcode = 'PE003';
  end if;
  if enter.max_age_s is not null and not exists (
    select from pets.session s
    where s.id = enter.session_id
      and s.authenticated_at > now() - make_interval(secs => enter.max_age_s)
  ) then
    raise exception 'authentication too old' using errcode = 'PE005';
  end if;
  ignored := set_config('pets.user_id', enter.account_id::text, true);
  ignored := set_config('pets.role', held_role, true);
  return held_role;
end
$$;

commit;
