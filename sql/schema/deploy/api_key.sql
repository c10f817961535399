-- Deploy pets:api_key to pg
--
-- Keys for machines and scripts. A key acts for its account, as a USER whatever the
-- account's role is, within its scopes, until it expires or is revoked; its SHA-256
-- is stored, which is enough for 256 random bits. enter_key() is to keys what
-- enter() is to sessions, and notes their last use, to the minute; the audit record
-- says which key was used (its column api_key_id).
--
-- PE007: no such live key of that account, or the account is disabled.
-- PE008: the key does not have the scope that the request needs.

begin;

set local role pets_owner;

create table pets.api_key (
  id uuid not null,
  account_id uuid not null,
  name text not null,
  scopes text[] not null,
  key_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  revoked_at timestamptz,
  constraint api_key_pkey primary key (id),
  constraint api_key_account_fkey foreign key (account_id) references pets.account (id),
  constraint api_key_name_size check (char_length(name) between 1 and 80),
  constraint api_key_scopes_known check (
    cardinality(scopes) between 1 and 2 and scopes <@ array['pets:read', 'pets:write']),
  constraint api_key_hash_size check (octet_length(key_hash) = 32),
  constraint api_key_expires check (
    expires_at > created_at and expires_at <= created_at + interval '366 days')
);

-- Serves the foreign key, and a person's keys newest first.
create index api_key_account_id_idx on pets.api_key (account_id, id desc);

alter table pets.api_key enable row level security, force row level security;

create policy owner_enter on pets.api_key
for select to pets_owner
using (true);

create policy owner_use on pets.api_key
for update to pets_owner
using (true);

create policy auth_select on pets.api_key
for select to pets_auth
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_insert on pets.api_key
for insert to pets_auth
with check (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_update on pets.api_key
for update to pets_auth
using (
  account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

grant select (id, account_id, name, scopes, created_at, expires_at, last_used_at, revoked_at),
      insert (id, account_id, name, scopes, key_hash, expires_at),
      update (revoked_at)
on pets.api_key to pets_auth;

create function pets.enter_key(key_id uuid, account_id uuid, key_hash bytea, need_scope text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  allowed boolean;
  ignored text;
begin
  select enter_key.need_scope = any (k.scopes) into allowed
  from pets.api_key k
  join pets.account a on a.id = k.account_id
  where k.id = enter_key.key_id
    and k.account_id = enter_key.account_id
    and k.key_hash = enter_key.key_hash
    and k.revoked_at is null
    and k.expires_at > now()
    and a.state = 'active';
  if allowed is null then
    raise exception 'key ended' using errcode = 'PE007';
  end if;
  if not allowed then
    raise exception 'scope missing' using errcode = 'PE008';
  end if;
  update pets.api_key k
  set last_used_at = now()
  where k.id = enter_key.key_id
    and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
  ignored := set_config('pets.user_id', enter_key.account_id::text, true);
  ignored := set_config('pets.role', 'USER', true);
  ignored := set_config('pets.api_key', enter_key.key_id::text, true);
  return 'USER';
end
$$;

grant execute on function pets.enter_key(uuid, uuid, bytea, text) to pets_api;

commit;
