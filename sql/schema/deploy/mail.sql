-- Deploy pets:mail to pg
--
-- Messages on their way to people. Whoever has something to say adds a row in the
-- transaction that it is about; petsctl mail send, as pets_mail, takes rows one by
-- one and hands them over. A row says what kind of message it is and what to put
-- into the template of that kind, never a text, and no token: a link is named by
-- its id, and the sender derives the token from that and a key. A row that was
-- sent, or given up, keeps neither recipient nor anything else about a person but
-- the account.
--
-- Taking a row is leasing it: not_before moves on, so that a sender that dies
-- gives it back, and attempts tells one lease from another. There is no foreign
-- key: the message outlives the account that it says farewell to.

begin;

set local role pets_owner;

create table pets.mail_outbox (
  id uuid not null,
  kind text not null,
  account_id uuid,
  recipient text,
  link_id uuid,
  address inet,
  created_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  expires_at timestamptz,
  attempts integer not null default 0,
  last_error text,
  sent_at timestamptz,
  failed_at timestamptz,
  constraint mail_outbox_pkey primary key (id),
  constraint mail_outbox_kind_known check (kind in (
    'verify_email', 'already_registered', 'reset_password', 'password_changed',
    'new_sign_in', 'second_factor_changed')),
  constraint mail_outbox_recipient_size check (octet_length(recipient) between 3 and 254),
  constraint mail_outbox_attempts_positive check (attempts >= 0),
  constraint mail_outbox_last_error_size check (char_length(last_error) <= 256),
  constraint mail_outbox_one_end check (sent_at is null or failed_at is null),
  constraint mail_outbox_emptied check (
    case
      when sent_at is null and failed_at is null then recipient is not null
      else recipient is null and link_id is null and address is null
    end)
);

-- Serves the sender: what is due, oldest first. It holds only what is on its way.
create index mail_outbox_due_idx on pets.mail_outbox (not_before, id)
where sent_at is null and failed_at is null;

alter table pets.mail_outbox enable row level security, force row level security;

-- The auth pool adds: without an identity for whoever it is about, with one for
-- the person's own account, or as an ADMIN for any.
create policy auth_insert on pets.mail_outbox
for insert to pets_auth
with check (
  (select nullif(current_setting('pets.user_id', true), '')) is null
  or account_id = (select nullif(current_setting('pets.user_id', true), '')::uuid)
  or (select current_setting('pets.role', true)) = 'ADMIN'
);

-- The sender sees rows whose message is over too, as PostgreSQL asks of whoever
-- makes them so; there is nothing left in them.
create policy mail_select on pets.mail_outbox
for select to pets_mail
using (true);

create policy mail_update on pets.mail_outbox
for update to pets_mail
using (sent_at is null and failed_at is null)
with check (true);

grant usage on schema pets to pets_mail;

grant insert (id, kind, account_id, recipient, link_id, address, expires_at)
on pets.mail_outbox to pets_auth;

grant select (id, kind, recipient, link_id, address, created_at, not_before, expires_at, attempts,
              sent_at, failed_at),
      update (recipient, link_id, address, not_before, attempts, last_error, sent_at, failed_at)
on pets.mail_outbox to pets_mail;

commit;
