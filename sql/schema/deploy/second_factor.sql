-- Deploy pets:second_factor to pg
--
-- The second factor of an account: the secret of its one-time codes, its recovery
-- codes, and the logins that wait for one of them. The secret is sealed with a key
-- that is not in the database, for this account alone; of recovery codes and of
-- the tokens of waiting logins only hashes are here. A code is good once because
-- last_step only grows; a recovery code, because used_at is set once; so whoever
-- locks the row first has won. Of recovery codes those of the last batch are good,
-- which is what makes one batch of two that are made at the same time. tries and
-- tried_at slow down whoever guesses: one must know the password, or hold a session,
-- to come so far, so strangers cannot slow anybody down.

begin;

set local role pets_owner;

create table pets.totp (
  account_id uuid not null,
  secret bytea not null,
  key_id text not null,
  created_at timestamptz not null default now(),
  confirmed_at timestamptz,
  last_step bigint not null default 0,
  tries integer not null default 0,
  tried_at timestamptz not null default now(),
  recovery_batch integer not null default 0,
  constraint totp_pkey primary key (account_id),
  constraint totp_account_fkey foreign key (account_id) references pets.account (id),
  constraint totp_secret_size check (octet_length(secret) between 44 and 128),
  constraint totp_key_id_size check (octet_length(key_id) between 1 and 16),
  constraint totp_last_step_positive check (last_step >= 0),
  constraint totp_tries_positive check (tries >= 0)
);

create table pets.recovery_code (
  account_id uuid not null,
  hash bytea not null,
  batch integer not null,
  created_at timestamptz not null default now(),
  used_at timestamptz,
  constraint recovery_code_pkey primary key (account_id, hash),
  constraint recovery_code_totp_fkey foreign key (account_id) references pets.totp (account_id)
    on delete cascade,
  constraint recovery_code_hash_size check (octet_length(hash) = 32)
);

-- Of the password that a login was begun with the generation is kept: the session is
-- opened only if it is still that one.
create table pets.login_challenge (
  token_hash bytea not null,
  account_id uuid not null,
  credential_generation integer not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  tries integer not null default 0,
  constraint login_challenge_pkey primary key (token_hash),
  constraint login_challenge_account_fkey foreign key (account_id) references pets.account (id),
  constraint login_challenge_token_hash_size check (octet_length(token_hash) = 32),
  constraint login_challenge_expires_later check (expires_at > created_at),
  constraint login_challenge_tries_positive check (tries >= 0)
);

-- Serves the foreign key, and the removal of an account's old ones.
create index login_challenge_account_id_idx on pets.login_challenge (account_id);

alter table pets.totp enable row level security, force row level security;
alter table pets.recovery_code enable row level security, force row level security;
alter table pets.login_challenge enable row level security, force row level security;

-- Before login the auth pool looks for the factor of whoever has given a password,
-- and takes codes. To enrol and to disable is for the person alone: no identity, no
-- new secret and no deletion; and an ADMIN sees nobody else's.
create policy auth_select on pets.totp
for select to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_insert on pets.totp
for insert to pets_auth
with check (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_update on pets.totp
for update to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_delete on pets.totp
for delete to pets_auth
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_select on pets.recovery_code
for select to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_insert on pets.recovery_code
for insert to pets_auth
with check (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

create policy auth_update on pets.recovery_code
for update to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_delete on pets.recovery_code
for delete to pets_auth
using (account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid));

-- A waiting login is nobody's yet; the person whose account it is for may end it.
create policy auth_select on pets.login_challenge
for select to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

create policy auth_insert on pets.login_challenge
for insert to pets_auth
with check ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_update on pets.login_challenge
for update to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_delete on pets.login_challenge
for delete to pets_auth
using (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
);

grant select (account_id, secret, key_id, created_at, confirmed_at, last_step, tries, tried_at,
              recovery_batch),
      insert (account_id, secret, key_id),
      update (secret, key_id, created_at, confirmed_at, last_step, tries, tried_at,
              recovery_batch),
      delete
on pets.totp to pets_auth;

grant select (account_id, hash, batch, used_at),
      insert (account_id, hash, batch),
      update (used_at),
      delete
on pets.recovery_code to pets_auth;

grant select (token_hash, account_id, credential_generation, expires_at, tries),
      insert (token_hash, account_id, credential_generation, expires_at),
      update (tries),
      delete
on pets.login_challenge to pets_auth;

commit;
