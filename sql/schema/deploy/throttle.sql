-- Deploy pets:throttle to pg
--
-- What bounds guessing and flooding. Every attempt takes from up to three buckets: its
-- "own" (one subject from one network), the "account" (that subject from all networks
-- that have not signed in to it) and the "network" (that network over all subjects). It
-- is let through when all of them have room for the cost of a failure, and takes from
-- all of them or from none. A success gives most of it back. A network that has signed
-- in to an account before takes from its own bucket alone, so nothing that others do
-- can keep it out.
--
-- A bucket is one time: when it will be empty again (GCRA). It drains by the clock, so
-- there is nothing to unlock and no job that must run; a refused attempt takes nothing,
-- so a bucket never fills beyond its bound. The name of a bucket is half a SHA-256, and
-- a subject that nobody has is a bucket like any other.
--
-- The table is unlogged: attempts cost no write-ahead log, and after a crash of
-- PostgreSQL it is empty, which forgives what was taken before. What it loses is
-- minutes of drain; known networks, which take time to earn, are in an ordinary table.
--
-- The pools may run the functions and see neither table.

begin;

set local role pets_owner;

create unlogged table pets.throttle (
  id uuid not null,
  empty_at timestamptz not null,
  constraint throttle_pkey primary key (id)
) with (fillfactor = 70);

create table pets.known_network (
  account_id uuid not null,
  network cidr not null,
  last_seen timestamptz not null default now(),
  constraint known_network_pkey primary key (account_id, network),
  constraint known_network_account_fkey foreign key (account_id)
    references pets.account (id) on delete cascade
);

-- Serves the removal of what has not been seen for long, oldest first.
create index known_network_last_seen_idx on pets.known_network (last_seen);

alter table pets.throttle enable row level security, force row level security;
alter table pets.known_network enable row level security, force row level security;

-- The owner runs the functions below.
create policy owner_throttle on pets.throttle
to pets_owner
using (true);

create policy owner_known_network on pets.known_network
to pets_owner
using (true);

-- The network of an address, as wide as the options say. An IPv4 address is one also when
-- a socket of IPv6 has mapped it; no address at all is a network like any other.
create function pets.network_of(address inet, bits4 integer, bits6 integer) returns cidr
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select network(set_masklen(a, case family(a) when 4 then bits4 else bits6 end))
  from (
    select case
      when address <<= inet '::ffff:0:0/96' then (inet '0.0.0.0' + (address - inet '::ffff:0:0'))
      else coalesce(host(address)::inet, inet '::')
    end as a
  ) plain
$$;

-- The words before the subject hold no bar, so no subject can be made to look like
-- another bucket.
create function pets.throttle_id(kind text, scope text, network cidr, subject text) returns uuid
language sql
immutable
set search_path = pg_catalog, pg_temp
as $$
  select encode(substr(sha256(convert_to(
    kind || '|' || scope || '|' || coalesce(text(network), '') || '|' || coalesce(lower(subject), ''),
    'UTF8')), 1, 16), 'hex')::uuid
$$;

-- Removes buckets that are empty. It looks at a bounded number from a random place on,
-- waits for nobody, and is run by one attempt of sixteen, so that each attempt looks at
-- more rows than it can add, and the table stays about as large as what is not empty.
create function pets.throttle_sweep() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  place uuid := gen_random_uuid();
  seen uuid[];
begin
  seen := array(select t.id from pets.throttle t where t.id >= place order by t.id limit 128);
  delete from pets.throttle
  where id in (
    select t.id
    from pets.throttle t
    where t.id = any (seen)
      and t.empty_at < clock_timestamp()
    for update skip locked
  );
end
$$;

-- Takes the cost of a failure from the buckets of an attempt, or says why not.
--
--   kind     what is tried: login, register ...; each has buckets of its own
--   subject  whom it is about: an e-mail address or id; null: nobody in particular
--   account  the account of that subject, if there is one
--   limits   bits of an IPv4 network, bits of an IPv6 network, days a network is known;
--            then burst and seconds of drain of own, account and network. A burst is
--            how many failures fit in; one drains away in so many seconds. 0: no such
--            bucket.
--
-- refused is null when it is let through; receipt is for throttle_give. remaining and
-- reset_s are of the own bucket, or of the only one there is: how many failures still fit,
-- and when it will be empty. Buckets are locked in the order of their scopes, so no two
-- attempts wait for each other; who is refused anyway is told so without a lock.
create function pets.throttle_take(
  kind text, subject text, account uuid, address inet, limits integer[],
  out refused text, out retry_s integer, out remaining integer, out reset_s integer,
  out receipt text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  scopes constant text[] := array['own', 'account', 'network'];
  source constant cidr := pets.network_of(address, limits[1], limits[2]);
  at constant timestamptz := clock_timestamp();
  known boolean;
  ids uuid[];
  cost interval[];
  room interval[];
  full_at timestamptz;
  wait interval := '0';
  taken integer := 0;
begin
  known := exists (
    select from pets.known_network k
    where k.account_id = coalesce(account, '00000000-0000-0000-0000-000000000000')
      and k.network = source
      and k.last_seen > at - make_interval(days => limits[3]));
  for i in 1..3 loop
    continue when coalesce(limits[2 + 2 * i], 0) = 0 or (i < 3 and subject is null)
      or (i > 1 and known);
    ids[i] := pets.throttle_id(
      kind, scopes[i], case when i <> 2 then source end, case when i <> 3 then subject end);
    cost[i] := make_interval(secs => limits[3 + 2 * i]);
    room[i] := cost[i] * (limits[2 + 2 * i] - 1);
    select t.empty_at into full_at from pets.throttle t where t.id = ids[i];
    if full_at > at + room[i] and full_at - room[i] - at > wait then
      wait := full_at - room[i] - at;
      refused := scopes[i];
    end if;
  end loop;

  -- There was room. Take it, bucket by bucket; the row stays locked to the end.
  for i in 1..3 loop
    exit when refused is not null;
    continue when ids[i] is null;
    insert into pets.throttle as t (id, empty_at)
    values (ids[i], at + cost[i])
    on conflict (id) do update set empty_at = greatest(t.empty_at, at) + cost[i]
    where t.empty_at <= at + room[i]
    returning t.empty_at into full_at;
    if found then
      taken := i;
    else
      select t.empty_at - room[i] - at into wait from pets.throttle t where t.id = ids[i];
      refused := scopes[i];
    end if;
    if remaining is null then
      remaining := floor(extract(epoch from at + room[i] + cost[i] - full_at) / extract(epoch from cost[i]));
      reset_s := ceil(extract(epoch from full_at - at));
    end if;
  end loop;

  -- Another attempt was quicker: nothing is taken after all.
  if refused is not null then
    for i in 1..taken loop
      update pets.throttle t set empty_at = t.empty_at - cost[i] where t.id = ids[i];
    end loop;
    retry_s := greatest(ceil(extract(epoch from wait)), 1);
    remaining := 0;
    reset_s := retry_s;
    return;
  end if;
  select string_agg(ids[i] || '/' || extract(epoch from cost[i]), ' ' order by i) into receipt
  from generate_series(1, taken) i
  where ids[i] is not null;
  if random() < 0.0625 then
    perform pets.throttle_sweep();
  end if;
end
$$;

-- Gives back so many hundredths of what was taken, bucket by bucket in the same order.
-- Returns how many there were.
create function pets.throttle_give(receipt text, percent integer) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  parts constant text[] := string_to_array(coalesce(receipt, ''), ' ');
  part text;
begin
  foreach part in array parts loop
    update pets.throttle t
    set empty_at = t.empty_at - make_interval(secs => split_part(part, '/', 2)::numeric * percent / 100)
    where t.id = split_part(part, '/', 1)::uuid;
  end loop;
  return cardinality(parts);
end
$$;

-- A network has signed in to an account: it is known from now on, and who was seen least
-- recently beyond `most` no longer is. limits are those of throttle_take. What has not been
-- seen for long goes, of whomever it is, a few at a time. True when the network is new to
-- the account, and not its first one; null when no networks are remembered.
create function pets.throttle_known(account uuid, address inet, limits integer[], most integer)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  source cidr;
  added boolean;
  news boolean;
begin
  if limits is null then
    return null;
  end if;
  source := pets.network_of(address, limits[1], limits[2]);
  insert into pets.known_network as k (account_id, network)
  values (account, source)
  on conflict (account_id, network) do update set last_seen = now()
  where k.last_seen < now() - interval '1 hour'
  returning k.xmax = 0 into added;
  if not found then
    return false;
  end if;
  news := added and exists (
    select from pets.known_network o
    where o.account_id = account
      and o.network <> source);
  delete from pets.known_network k
  where k.account_id = account
    and k.network in (
      select o.network
      from pets.known_network o
      where o.account_id = account
      order by o.last_seen desc, o.network
      offset most);
  delete from pets.known_network k
  where (k.account_id, k.network) in (
    select o.account_id, o.network
    from pets.known_network o
    where o.last_seen < now() - make_interval(days => limits[3])
    order by o.last_seen
    limit 10
    for update skip locked);
  return news;
end
$$;

-- Of the functions the pool calls these three; the rest is theirs.
grant execute on function pets.throttle_take(text, text, uuid, inet, integer[]),
  pets.throttle_give(text, integer), pets.throttle_known(uuid, inet, integer[], integer)
to pets_auth;

commit;
