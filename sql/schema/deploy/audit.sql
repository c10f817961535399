-- Deploy pets:audit to pg
--
-- Who did what to what, from where, and how it ended. Rows can be added and
-- nothing else: the roles hold insert alone, and for the owner, who could grant
-- himself more, a trigger refuses every update, delete and truncate, also on a
-- connection that replays replication. Actions are words of the OWASP logging
-- vocabulary, and where it has none, of the same make; the manual lists them all.
-- There are no foreign keys: the record outlives its subject. Whether an API key was
-- used is known from a setting, which nobody chooses.

begin;

set local role pets_owner;

create table pets.audit_event (
  id bigint generated always as identity,
  at timestamptz not null default now(),
  actor_id uuid,
  action text not null,
  target_type text,
  target_id uuid,
  outcome text not null,
  request_id text,
  address inet,
  detail jsonb,
  api_key_id uuid default nullif(current_setting('pets.api_key', true), '')::uuid,
  constraint audit_event_pkey primary key (id),
  constraint audit_event_action_size check (octet_length(action) between 1 and 64),
  constraint audit_event_target_type_size check (octet_length(target_type) between 1 and 64),
  constraint audit_event_outcome_known check (outcome in ('success', 'failure')),
  constraint audit_event_request_id_size check (octet_length(request_id) <= 64),
  constraint audit_event_detail_size check (octet_length(detail::text) <= 8192)
);

create function pets.refuse_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_event_append_only
before update or delete or truncate on pets.audit_event
for each statement execute function pets.refuse_change();

alter table pets.audit_event enable always trigger audit_event_append_only;

-- Writes down that an administrator has read another's pet, and is true. As a function it
-- costs the reads that need it and no others: a statement with an insert in it
-- sets one up whenever it runs, for a sixth of the time of a read.
create function pets.audit_pet_read(pet uuid, actor uuid, request_id text, address inet)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  values (actor, 'authz_admin', 'pet', pet, 'success', request_id, address,
          jsonb_build_object('event', 'pet_read'));
  return true;
end
$$;

commit;
