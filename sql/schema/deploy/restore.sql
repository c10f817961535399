-- Deploy pets:restore to pg
--
-- A pet that is deleted leaves the table of pets, and is kept aside as it was last until
-- its time is over: so no statement about pets can see it, no index has it, and its
-- microchip is free for another. restore_pet() brings it back, as a new version;
-- prune_deleted_pets() removes for good what nobody has brought back, and its history.

begin;

set local role pets_owner;

create table pets.deleted_pet (
  id uuid not null,
  owner_id uuid not null,
  name text not null,
  species text not null,
  breed text,
  sex text not null,
  born_on date,
  weight_grams integer,
  microchip text collate "C",
  notes text,
  tags pets.tag[] not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  version integer not null,
  deleted_at timestamptz not null default now(),
  gone_at timestamptz not null,
  constraint deleted_pet_pkey primary key (id),
  constraint deleted_pet_owner_fkey foreign key (owner_id)
    references pets.account (id) on delete cascade,
  constraint deleted_pet_gone_later check (gone_at >= deleted_at),
  constraint deleted_pet_version_positive check (version > 0)
);

-- Serves the foreign key.
create index deleted_pet_owner_id_idx on pets.deleted_pet (owner_id);
-- Serves the removal, oldest first.
create index deleted_pet_gone_at_idx on pets.deleted_pet (gone_at);

alter table pets.pet_history
  drop constraint pet_history_action_known,
  drop constraint pet_history_old_present,
  add constraint pet_history_action_known check (
    action in ('create', 'update', 'delete', 'restore')),
  add constraint pet_history_old_present check ((old is null) = (action in ('create', 'restore')));

alter table pets.deleted_pet enable row level security, force row level security;

-- The api pool puts aside, and brings back by restore_pet() alone.
create policy api_insert on pets.deleted_pet
for insert to pets_api
with check (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

grant insert (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
              tags, created_at, updated_at, version, gone_at)
on pets.deleted_pet to pets_api;

-- The owner runs restore_pet(), with the identity of who calls it ...
create policy owner_restore on pets.deleted_pet
to pets_owner
using (
  gone_at > now()
  and (owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
       or (select current_setting('pets.role', true)) = 'ADMIN')
);

create policy owner_select on pets.pet
for select to pets_owner
using (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy owner_insert on pets.pet
for insert to pets_owner
with check (
  owner_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

-- ... and prune_deleted_pets(), without one.
create policy owner_prune on pets.deleted_pet
to pets_owner
using (gone_at <= now());

create policy owner_prune on pets.pet_history
to pets_owner
using (exists (
  select from pets.deleted_pet d
  where d.id = pet_id
    and d.gone_at <= now()
));

create policy owner_prune on pets.audit_event
for insert to pets_owner
with check (actor_id is null and action = 'pet_purged');

-- Brings a pet back, if it is the caller's (or the caller is an ADMIN) and its time is not
-- over: as it was, but of a version that it never had. No row: there is none. Of many
-- callers one gets it. Fails with 23505 on pet_microchip_key when its chip has become
-- another pet's.
create function pets.restore_pet(pet uuid) returns setof pets.pet
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  old pets.deleted_pet;
begin
  delete from pets.deleted_pet d
  where d.id = pet
    and d.gone_at > now()
  returning d.* into old;
  if not found then
    return;
  end if;
  return query
  insert into pets.pet
    (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
     created_at, updated_at, version)
  values
    (old.id, old.owner_id, old.name, old.species, old.breed, old.sex, old.born_on,
     old.weight_grams, old.microchip, old.notes, old.tags, old.created_at, now(), old.version + 2)
  returning *;
end
$$;

-- Removes up to `most` pets for good whose time is over, and their history, and says how
-- many it were. The audit record keeps that they were there, and when they went.
create function pets.prune_deleted_pets(most integer) returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  gone uuid[];
begin
  gone := array(
    select d.id
    from pets.deleted_pet d
    where d.gone_at <= now()
    order by d.gone_at
    limit most
    for update skip locked);
  delete from pets.pet_history h where h.pet_id = any (gone);
  delete from pets.deleted_pet d where d.id = any (gone);
  insert into pets.audit_event (actor_id, action, target_type, target_id, outcome)
  select null, 'pet_purged', 'pet', id, 'success'
  from unnest(gone) as id;
  return cardinality(gone);
end
$$;

grant execute on function pets.restore_pet(uuid) to pets_api;
grant execute on function pets.prune_deleted_pets(integer) to pets_ops;

commit;
