-- Deploy pets:links to pg
--
-- What a person proves by following a link that was sent to an address: that the
-- address is theirs, or that they may choose another password. A token is good
-- once, for a while, and only its SHA-256 is here.
--
-- Who registers by mail has no account before the link is followed: what was asked
-- for waits in registration, credential and all. So nobody can log in to, take, or
-- keep for later an address that is not theirs; of several who ask for the same one
-- each has a link of its own, and whoever follows it opens the account with what
-- came with that link. A registration for an address that is taken is a row like any
-- other, whose link nobody gets and which could open nothing.
--
-- A reset link belongs to an account, or to nobody when the address was nobody's:
-- whoever asks leaves the same rows behind.

begin;

set local role pets_owner;

create table pets.registration (
  id uuid not null,
  link_hash bytea not null,
  email text not null,
  display_name text not null,
  hash text not null,
  pepper_id text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  constraint registration_pkey primary key (id),
  constraint registration_link_hash_key unique (link_hash),
  constraint registration_link_hash_size check (octet_length(link_hash) = 32),
  constraint registration_email_form check (
    octet_length(email) between 3 and 254 and email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
  constraint registration_display_name_size check (char_length(display_name) between 1 and 80),
  constraint registration_hash_size check (octet_length(hash) between 20 and 255),
  constraint registration_pepper_id_size check (octet_length(pepper_id) between 1 and 64),
  constraint registration_expires_later check (expires_at > created_at)
);

create table pets.reset_link (
  id uuid not null,
  link_hash bytea not null,
  account_id uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint reset_link_pkey primary key (id),
  constraint reset_link_link_hash_key unique (link_hash),
  constraint reset_link_account_fkey foreign key (account_id) references pets.account (id)
    on delete cascade,
  constraint reset_link_link_hash_size check (octet_length(link_hash) = 32),
  constraint reset_link_expires_later check (expires_at > created_at)
);

-- Serve the removal of what is over, oldest first.
create index registration_expires_at_idx on pets.registration (expires_at);
create index reset_link_expires_at_idx on pets.reset_link (expires_at);

-- Serves the foreign key, and a reset, which ends all links of its account.
create index reset_link_account_id_idx on pets.reset_link (account_id, id);

alter table pets.registration enable row level security, force row level security;
alter table pets.reset_link enable row level security, force row level security;

-- Whoever follows a link is nobody yet.
create policy auth_select on pets.registration
for select to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_insert on pets.registration
for insert to pets_auth
with check ((select nullif(current_setting('pets.user_id', true), '')) is null);

-- To lock a row takes the right to update one; none is ever updated.
create policy auth_update on pets.registration
for update to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null)
with check (false);

create policy auth_delete on pets.registration
for delete to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_select on pets.reset_link
for select to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

-- An ADMIN may make a link for somebody, and hand it over.
create policy auth_insert on pets.reset_link
for insert to pets_auth
with check (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

create policy auth_update on pets.reset_link
for update to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

create policy auth_delete on pets.reset_link
for delete to pets_auth
using ((select nullif(current_setting('pets.user_id', true), '')) is null);

grant select (id, link_hash, email, display_name, hash, pepper_id, expires_at),
      insert (id, link_hash, email, display_name, hash, pepper_id, expires_at),
      update (id),
      delete
on pets.registration to pets_auth;

grant select (id, link_hash, account_id, expires_at, used_at),
      insert (id, link_hash, account_id, expires_at),
      update (used_at),
      delete
on pets.reset_link to pets_auth;

-- A message to nobody, in place of one to an address that is nobody's.
grant insert (sent_at) on pets.mail_outbox to pets_auth;

-- Chooses another password by a link; null, and nothing is changed, when it is not
-- good. It runs with the privileges of the pool, and does in order what one statement
-- could not: as soon as the link is taken, the pool has the identity of its account,
-- and may change that and no other. All links of the account are locked first, in
-- one order, so that of two that are followed at once one is taken and the other is
-- over. Then the credential is: a login that holds it (hold_credential) is over before
-- its session is looked for, and one that comes later finds another generation. Logins
-- that wait for a second factor were begun with the old password. API keys are last.
create function pets.reset_password(
  link_hash bytea, hash text, pepper_id text, mail_id uuid, revoke_keys boolean, request_id text,
  address inet)
returns uuid
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  whose uuid;
  ended integer;
  keys integer := 0;
  ignored text;
begin
  select l.account_id into whose
  from pets.reset_link l
  where l.link_hash = reset_password.link_hash;
  perform l.id
  from pets.reset_link l
  where l.account_id = whose
    and l.used_at is null
  order by l.id
  for no key update;
  update pets.reset_link l
  set used_at = now()
  where l.link_hash = reset_password.link_hash
    and l.used_at is null
    and l.expires_at > now()
    and exists (select from pets.account a where a.id = l.account_id and a.state = 'active');
  if not found then
    insert into pets.audit_event
      (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
    values
      (null, 'authn_token_fail', 'reset_link', null, 'failure', reset_password.request_id,
       reset_password.address, jsonb_build_object('kind', 'reset_password'));
    return null;
  end if;
  update pets.reset_link l
  set used_at = now()
  where l.account_id = whose
    and l.used_at is null;

  ignored := set_config('pets.user_id', whose::text, true);
  update pets.credential c
  set hash = reset_password.hash,
      pepper_id = reset_password.pepper_id,
      generation = c.generation + 1,
      updated_at = now()
  where c.account_id = whose;
  delete from pets.login_challenge c
  where c.account_id = whose;
  update pets.session s
  set revoked_at = now()
  where s.account_id = whose
    and s.revoked_at is null
    and s.expires_at > now();
  get diagnostics ended = row_count;
  if revoke_keys then
    keys := pets.end_keys(whose);
  end if;
  insert into pets.mail_outbox (id, kind, account_id, recipient, address)
  select reset_password.mail_id, 'password_changed', a.id, a.email, reset_password.address
  from pets.account a
  where a.id = whose
    and reset_password.mail_id is not null;
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
  values
    (whose, 'authn_password_change', 'account', whose, 'success', reset_password.request_id,
     reset_password.address, jsonb_build_object(
       'by', 'reset_link', 'sessions_ended', ended, 'api_keys_revoked', keys));
  return whose;
end
$$;

grant execute on function pets.reset_password(bytea, text, text, uuid, boolean, text, inet) to pets_auth;

commit;
