-- Deploy pets:code_tries to pg
--
-- Whoever knows a password can try one-time codes, five in a row; then there is a pause
-- before each further try, from half a minute to an hour, until a code is right. To try
-- is to know the password, and yet nobody who does shall make its owner wait: a network
-- that has signed in to the account (known_network), which takes a code as well, has
-- tries of its own, and all the others share those of the account (totp). A code that is
-- right forgives the tries of where it comes from, and of nowhere else.

begin;

set local role pets_owner;

alter table pets.known_network
  add column code_tries integer not null default 0,
  add column code_tried_at timestamptz not null default now(),
  add constraint known_network_code_tries_positive check (code_tries >= 0);

create policy owner_codes_look on pets.totp
for select to pets_owner
using (true);

create policy owner_codes_count on pets.totp
for update to pets_owner
using (true);

-- When there may be another try.
create function pets.code_free_at(tries integer, tried_at timestamptz) returns timestamptz
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when tries < 5 then '-infinity'
    else tried_at + make_interval(secs => least(30 * power(2, least(tries, 16) - 5), 3600))
  end
$$;

-- Takes a try; limits are those of throttle_take. Null when there was one, or else the
-- seconds until there is, and then nothing is taken.
create function pets.code_take(account uuid, address inet, limits integer[]) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  source constant cidr := pets.network_of(address, limits[1], limits[2]);
  free_at timestamptz;
  known boolean;
begin
  select pets.code_free_at(k.code_tries, k.code_tried_at) into free_at
  from pets.known_network k
  where k.account_id = code_take.account
    and k.network = source
    and k.last_seen > now() - make_interval(days => limits[3])
  for update;
  known := found;
  if not known then
    select pets.code_free_at(t.tries, t.tried_at) into free_at
    from pets.totp t
    where t.account_id = code_take.account
    for update;
  end if;
  if free_at > now() then
    return ceil(extract(epoch from free_at - now()));
  elsif known then
    update pets.known_network k
    set code_tries = k.code_tries + 1,
        code_tried_at = now()
    where k.account_id = code_take.account
      and k.network = source;
  else
    update pets.totp t
    set tries = t.tries + 1,
        tried_at = now()
    where t.account_id = code_take.account;
  end if;
  return null;
end
$$;

-- A code was right: forgives the tries of a network that is known. False when it is not;
-- then those of the account are to be forgiven, by whoever calls, who changes its row.
create function pets.code_accept(account uuid, address inet, limits integer[]) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update pets.known_network k
  set code_tries = 0
  where k.account_id = code_accept.account
    and k.network = pets.network_of(address, limits[1], limits[2])
    and k.last_seen > now() - make_interval(days => limits[3]);
  return found;
end
$$;

-- Forgives the tries of all known networks of an account. True when there were any.
create function pets.code_forgive(account uuid) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update pets.known_network k
  set code_tries = 0
  where k.account_id = code_forgive.account
    and k.code_tries > 0;
  return found;
end
$$;

grant execute on function pets.code_take(uuid, inet, integer[]),
  pets.code_accept(uuid, inet, integer[])
to pets_auth;
grant execute on function pets.code_forgive(uuid) to pets_ops;

-- Who takes a try is a function now.
revoke select (tried_at), update (tried_at) on pets.totp from pets_auth;

commit;
