-- Deploy pets:transfer to pg
--
-- A pet changes its owner by an offer and its acceptance. Whom it is offered to is written
-- down as it was said, an id or an e-mail address, and is not looked up: so an offer tells
-- nobody whether there is such a person. Who the offers are for, finds them by the own id
-- and the own address. What the other side needs to know of pet and owner is copied into
-- the offer when it is made; neither sees the other's account or pets.
--
-- The owner of a pet is changed by accept_transfer() alone, which no policy lets change
-- any other pet than the one that is offered to who calls it.

begin;

set local role pets_owner;

create table pets.transfer (
  id uuid not null,
  pet_id uuid not null,
  pet_name text not null,
  pet_species text not null,
  from_id uuid not null,
  from_name text not null,
  to_id uuid,
  to_email text,
  to_email_key text collate "C" generated always as (lower(to_email)) stored,
  state text not null default 'offered',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  constraint transfer_pkey primary key (id),
  constraint transfer_from_fkey foreign key (from_id)
    references pets.account (id) on delete cascade,
  constraint transfer_to_somebody check (
    to_id is not null and to_id <> from_id or to_email is not null),
  constraint transfer_to_email_size check (octet_length(to_email) between 3 and 254),
  constraint transfer_state_known check (
    state in ('offered', 'accepted', 'declined', 'withdrawn', 'expired')),
  constraint transfer_ended check ((ended_at is null) = (state = 'offered')),
  constraint transfer_expires_later check (expires_at > created_at)
);

-- One open offer a pet; they are also found by their pet.
create unique index transfer_pet_open_key on pets.transfer (pet_id) where ended_at is null;
-- Serve the foreign key, and one's own offers both ways, newest first.
create index transfer_from_id_idx on pets.transfer (from_id, id desc);
create index transfer_to_id_idx on pets.transfer (to_id, id desc);
create index transfer_to_email_idx on pets.transfer (to_email_key, id desc);
-- Serves the count of those that are open.
create index transfer_from_open_idx on pets.transfer (from_id) where ended_at is null;
-- Serves the removal, oldest first.
create index transfer_expires_at_idx on pets.transfer (expires_at);

alter table pets.pet_history
  drop constraint pet_history_action_known,
  add constraint pet_history_action_known check (
    action in ('create', 'update', 'delete', 'restore', 'transfer'));

-- What the api pool may know of accounts: the address and the name of who is asking.
create function pets.own_account(out email_key text, out display_name text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.email_key, a.display_name
  from pets.account a
  where a.id = nullif(current_setting('pets.user_id', true), '')::uuid
$$;

alter table pets.transfer enable row level security, force row level security;

-- One's own offers, and those to oneself. An ADMIN who deletes a pet ends the offer of it.
create policy api_select on pets.transfer
for select to pets_api
using (
  from_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or to_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or to_email_key = (select o.email_key from pets.own_account() o)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy api_insert on pets.transfer
for insert to pets_api
with check (
  from_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  and state = 'offered'
);

create policy api_update on pets.transfer
for update to pets_api
using (
  state = 'offered'
  and (from_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
       or to_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
       or to_email_key = (select o.email_key from pets.own_account() o)
       or (select current_setting('pets.role', true)) = 'ADMIN')
)
with check (state in ('declined', 'withdrawn', 'expired'));

grant select (id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, to_email_key,
              state, created_at, expires_at, ended_at),
      insert (id, pet_id, pet_name, pet_species, from_id, from_name, to_id, to_email, expires_at),
      update (state, ended_at)
on pets.transfer to pets_api;

-- The owner runs accept_transfer(), and sees the offers to who calls it, and those pets.
create policy owner_accept on pets.transfer
to pets_owner
using (
  to_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or to_email_key = (select o.email_key from pets.own_account() o)
);

create policy owner_offered on pets.pet
for select to pets_owner
using (exists (
  select from pets.transfer t
  where t.pet_id = pet.id
    and t.from_id = pet.owner_id
    and t.state = 'offered'
    and t.expires_at > now()
));

create policy owner_accept on pets.pet
for update to pets_owner
using (exists (
  select from pets.transfer t
  where t.pet_id = pet.id
    and t.from_id = pet.owner_id
    and t.state = 'offered'
    and t.expires_at > now()
))
with check (owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

-- ... and prune_transfers(), a month after an offer.
create policy owner_prune on pets.transfer
to pets_owner
using (expires_at <= now() - interval '30 days');

-- Takes what was offered. No row: there is no such offer to the caller. Of many callers at
-- once, done is true for one: the pet is locked before the offer, as whoever deletes a pet
-- locks it before its offer, so nobody waits in a circle.
create function pets.accept_transfer(transfer uuid)
returns table (done boolean, pet pets.pet, taken pets.transfer)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  own constant uuid := nullif(current_setting('pets.user_id', true), '')::uuid;
begin
  select t.* into taken from pets.transfer t where t.id = accept_transfer.transfer;
  if not found then
    return;
  end if;
  done := false;
  perform from pets.pet p where p.id = taken.pet_id and p.owner_id = taken.from_id for update;
  select t.* into taken from pets.transfer t where t.id = accept_transfer.transfer for update;
  if taken.state = 'offered' and taken.expires_at > now() then
    update pets.pet p
    set owner_id = own,
        updated_at = now(),
        version = p.version + 1
    where p.id = taken.pet_id
      and p.owner_id = taken.from_id
    returning p.* into pet;
    done := found;
    update pets.transfer t
    set state = case when done then 'accepted' else 'withdrawn' end,
        to_id = case when done then own else t.to_id end,
        ended_at = now()
    where t.id = taken.id
    returning t.* into taken;
  end if;
  return next;
end
$$;

-- Removes up to `most` offers that were over a month ago, and says how many it were.
create function pets.prune_transfers(most integer) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone integer;
begin
  delete from pets.transfer t
  where t.ctid = any (array(
    select o.ctid
    from pets.transfer o
    where o.expires_at <= now() - interval '30 days'
    order by o.expires_at
    limit most
    for update skip locked));
  get diagnostics gone = row_count;
  return gone;
end
$$;

grant execute on function pets.own_account(), pets.accept_transfer(uuid) to pets_api;
grant execute on function pets.prune_transfers(integer) to pets_ops;

commit;
