-- Deploy pets:idempotency to pg
--
-- Answers to requests that came with an Idempotency-Key, for 24 hours: whoever repeats
-- the request gets the answer of the first time. A row is written in the transaction
-- of the write that it is the answer to. It belongs to an account, and is seen by nobody
-- else. A key that is a day old may be used again; such rows are removed by
-- prune_idempotency_keys() an hour later, so that none goes while it is being read.
--
-- PE009: a request with this key is being served at this moment.
-- PE010: the key was used for another request.
-- PE011: the request was answered before.
-- PE012: undo() has been called.

begin;

set local role pets_owner;

create table pets.idempotency_key (
  account_id uuid not null,
  key text collate "C" not null,
  fingerprint bytea not null,
  route text not null,
  status integer not null,
  location text,
  version integer not null,
  body text not null,
  created_at timestamptz not null default now(),
  constraint idempotency_key_pkey primary key (account_id, key),
  constraint idempotency_key_account_fkey foreign key (account_id)
    references pets.account (id) on delete cascade,
  constraint idempotency_key_key_size check (octet_length(key) between 1 and 255),
  constraint idempotency_key_fingerprint_size check (octet_length(fingerprint) = 32),
  constraint idempotency_key_route_size check (octet_length(route) between 1 and 96),
  constraint idempotency_key_status_success check (status between 200 and 299),
  constraint idempotency_key_location_size check (octet_length(location) <= 255),
  constraint idempotency_key_body_size check (octet_length(body) <= 33554432)
);

-- Serves the removal, oldest first.
create index idempotency_key_created_at_idx on pets.idempotency_key (created_at);

alter table pets.idempotency_key enable row level security, force row level security;

create policy api_select on pets.idempotency_key
for select to pets_api
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy api_insert on pets.idempotency_key
for insert to pets_api
with check (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

-- An answer stays what it was until its day is over.
create policy api_update on pets.idempotency_key
for update to pets_api
using (
  account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  and created_at <= now() - interval '24 hours'
)
with check (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

-- The owner runs prune_idempotency_keys(), and sees no more than that needs.
create policy owner_prune on pets.idempotency_key
to pets_owner
using (created_at <= now() - interval '25 hours');

grant select (account_id, key, fingerprint, route, status, location, version, body, created_at),
      insert (account_id, key, fingerprint, route, status, location, version, body),
      update (fingerprint, route, status, location, version, body, created_at)
on pets.idempotency_key to pets_api;

-- Takes a key for the transaction, or says why not. Who holds it, holds a lock that ends
-- with the transaction, and after its commit: so whoever gets the lock sees the row that
-- the one before has left. It never waits.
create function pets.idempotency_begin(own uuid, key text, fingerprint bytea) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  stored bytea;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(own || ' ' || idempotency_begin.key, 1)) then
    raise exception 'request in flight' using errcode = 'PE009';
  end if;
  select k.fingerprint into stored
  from pets.idempotency_key k
  where k.account_id = own
    and k.key = idempotency_begin.key
    and k.created_at > now() - interval '24 hours';
  if stored = idempotency_begin.fingerprint then
    raise exception 'request answered before' using errcode = 'PE011';
  end if;
  if stored is not null then
    raise exception 'key used before' using errcode = 'PE010';
  end if;
end
$$;

-- Fails, and so undoes the transaction that it is called in.
create function pets.undo() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'undone' using errcode = 'PE012';
end
$$;

-- Removes up to `most` answers that are over, oldest first, and says how many it were.
create function pets.prune_idempotency_keys(most integer) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone integer;
begin
  delete from pets.idempotency_key k
  where k.ctid = any (array(
    select o.ctid
    from pets.idempotency_key o
    where o.created_at <= now() - interval '25 hours'
    order by o.created_at
    limit most
    for update skip locked));
  get diagnostics gone = row_count;
  return gone;
end
$$;

grant execute on function pets.idempotency_begin(uuid, text, bytea), pets.undo() to pets_api;
grant execute on function pets.prune_idempotency_keys(integer) to pets_ops;

commit;
