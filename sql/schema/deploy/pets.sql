-- Deploy pets:pets to pg
--
-- A pet, and every change it has seen. The bounds of the API are constraints
-- here as well: the program is the first line, this is the last. A tag is a
-- domain, because a constraint cannot look at each element of an array and a
-- function that could would be called on every write; to change its bounds, drop its
-- constraint and add one that is not valid, as an array cannot be looked through. History keeps the owner
-- and has no foreign keys, since it outlives the pet.

begin;

set local role pets_owner;

create domain pets.tag as text
  constraint tag_present not null
  constraint tag_size check (char_length(value) between 1 and 32);

create table pets.pet (
  id uuid not null,
  owner_id uuid not null,
  name text not null,
  species text not null,
  breed text,
  sex text not null default 'unknown',
  born_on date,
  weight_grams integer,
  microchip text collate "C",
  notes text,
  tags pets.tag[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version integer not null default 1,
  constraint pet_pkey primary key (id),
  constraint pet_owner_fkey foreign key (owner_id) references pets.account (id),
  constraint pet_microchip_key unique (microchip),
  constraint pet_name_size check (char_length(name) between 1 and 80),
  constraint pet_species_known check (species in (
    'dog', 'cat', 'bird', 'fish', 'rabbit', 'rodent', 'reptile', 'horse', 'other')),
  constraint pet_breed_size check (char_length(breed) between 1 and 80),
  constraint pet_sex_known check (sex in ('female', 'male', 'unknown')),
  constraint pet_born_on_past check (
    born_on between date '0001-01-01' and (now() at time zone 'UTC')::date),
  constraint pet_weight_grams_range check (weight_grams between 1 and 2000000),
  constraint pet_microchip_form check (microchip ~ '^[0-9]{15}$'),
  constraint pet_notes_size check (char_length(notes) <= 2000),
  constraint pet_tags_size check (cardinality(tags) <= 16 and coalesce(array_ndims(tags), 1) = 1),
  constraint pet_version_positive check (version > 0)
);

-- Serves the pages of one owner, newest first, and the foreign key.
create index pet_owner_id_idx on pets.pet (owner_id, id desc);

create table pets.pet_history (
  pet_id uuid not null,
  version integer not null,
  action text not null,
  owner_id uuid not null,
  actor_id uuid not null,
  changed_at timestamptz not null default now(),
  old jsonb,
  new jsonb,
  constraint pet_history_pkey primary key (pet_id, version),
  constraint pet_history_version_positive check (version > 0),
  constraint pet_history_action_known check (action in ('create', 'update', 'delete')),
  constraint pet_history_old_present check ((old is null) = (action = 'create')),
  constraint pet_history_new_present check ((new is null) = (action = 'delete'))
);

commit;
