-- Deploy pets:accounts to pg
--
-- Who may log in. A credential is a table of its own, so that it can be granted
-- apart from the account. E-mail is unique whatever its case: a generated key
-- does what citext would, without an extension, and better under row-level
-- security: comparing text is leakproof and so may use an index there, comparing
-- citext is not. Keys are UUIDv7 made by the program.

begin;

set local role pets_owner;

create table pets.account (
  id uuid not null,
  email text not null,
  email_key text collate "C" not null generated always as (lower(email)) stored,
  display_name text not null,
  role text not null default 'USER',
  state text not null default 'active',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version integer not null default 1,
  constraint account_pkey primary key (id),
  constraint account_email_key unique (email_key),
  constraint account_email_form check (
    octet_length(email) between 3 and 254 and email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  constraint account_display_name_size check (char_length(display_name) between 1 and 80),
  constraint account_role_known check (role in ('USER', 'ADMIN')),
  constraint account_state_known check (state in ('active', 'disabled')),
  constraint account_version_positive check (version > 0)
);

-- generation tells one password from the next: a change or a reset adds one, a newer
-- hash of the same password does not. What was begun with a password is finished with
-- it only if it is of the same generation then.
create table pets.credential (
  account_id uuid not null,
  hash text not null,
  pepper_id text not null,
  generation integer not null default 1,
  updated_at timestamptz not null default now(),
  constraint credential_pkey primary key (account_id),
  constraint credential_account_fkey foreign key (account_id) references pets.account (id),
  constraint credential_hash_size check (octet_length(hash) between 20 and 255),
  constraint credential_pepper_id_size check (octet_length(pepper_id) between 1 and 64),
  constraint credential_generation_positive check (generation > 0)
);

-- A session is also the family of its refresh tokens: they differ by generation,
-- and of the current one and the one before it the SHA-256 is kept; of the key that
-- the current one was derived from, the id.
create table pets.session (
  id uuid not null,
  account_id uuid not null,
  created_at timestamptz not null default now(),
  authenticated_at timestamptz not null default now(),
  mfa boolean not null default false,
  generation integer not null default 0,
  refresh_hash bytea not null,
  previous_hash bytea,
  refresh_key_id text,
  refreshed_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  address inet,
  user_agent text,
  constraint session_pkey primary key (id),
  constraint session_account_fkey foreign key (account_id) references pets.account (id),
  constraint session_expires_later check (expires_at > created_at and expires_at <= ends_at),
  constraint session_generation_positive check (generation >= 0),
  constraint session_refresh_hash_size check (octet_length(refresh_hash) = 32),
  constraint session_previous_hash_size check (octet_length(previous_hash) = 32),
  constraint session_refresh_key_id_size check (octet_length(refresh_key_id) between 1 and 16),
  constraint session_user_agent_size check (char_length(user_agent) <= 256)
);

-- Serves the foreign key, and a person's sessions newest first.
create index session_account_id_idx on pets.session (account_id, id desc);

commit;
