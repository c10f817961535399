-- Deploy pets:prune to pg
--
-- What is over is deleted by a job, petsctl database prune, as pets_prune. How long
-- it is kept is said by the statements; here is what can be deleted at all, whatever
-- a statement asks for: the role sees, locks and deletes nothing but rows that are
-- over, reads of them no more than when they ended, and changes none. (To lock a row
-- takes the right to update one.) What is not here stays: accounts, pets and their
-- history, and the audit record, which nobody can delete from. (Stored answers, deleted
-- pets and offers have functions for it.)

begin;

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'pets_prune') then
    create role pets_prune login noinherit;
  end if;
end
$$;

-- As for the other roles: see roles.sql.
alter role pets_prune set search_path = pets, pg_temp;
alter role pets_prune set timezone = 'UTC';
alter role pets_prune set row_security = on;
alter role pets_prune set plan_cache_mode = force_generic_plan;
alter role pets_prune set jit = off;
alter role pets_prune set enable_seqscan = off;
alter role pets_prune set enable_bitmapscan = off;
alter role pets_prune set default_transaction_isolation = 'read committed';
alter role pets_prune set idle_in_transaction_session_timeout = '10s';
alter role pets_prune set lock_timeout = '2s';
alter role pets_prune set client_min_messages = warning;

grant connect on database :"DBNAME" to pets_prune;

set local role pets_owner;

grant usage on schema pets to pets_prune;

-- Serve the removal of what is over, oldest first, and nothing else: an index on plain
-- expires_at, or on factors that are not confirmed, would draw the plans of logins to it.
-- least() passes over nulls, and may be searched under row-level security, as coalesce()
-- may not.
create index mail_outbox_over_idx on pets.mail_outbox (least(sent_at, failed_at))
where sent_at is not null or failed_at is not null;
create index session_over_idx on pets.session (least(expires_at, revoked_at));
create index api_key_over_idx on pets.api_key (least(expires_at, revoked_at));
create index login_challenge_over_idx on pets.login_challenge (greatest(created_at, expires_at));
create index totp_begun_idx on pets.totp ((case when confirmed_at is null then created_at end));

-- A row is named by its key, or where that has two columns by its place. No index answers
-- a condition that says "is true", so the statement alone decides which one is walked. A
-- bucket of throttle is a hash and a time: the job walks past those that are not empty,
-- and may see that.
do $$
declare
  t record;
begin
  for t in
    select *
    from (values
      ('mail_outbox', 'id', 'sent_at, failed_at',
       'sent_at is not null or failed_at is not null', null),
      ('registration', 'id', 'expires_at', 'expires_at < now()', null),
      ('reset_link', 'id', 'expires_at', 'expires_at < now()', null),
      ('login_challenge', 'token_hash', 'created_at, expires_at', 'expires_at < now()', null),
      ('totp', 'account_id', 'created_at, confirmed_at',
       $sql$confirmed_at is null and created_at < now() - interval '1 day'$sql$, null),
      ('session', 'id', 'expires_at, revoked_at', 'least(expires_at, revoked_at) < now()', null),
      ('api_key', 'id', 'expires_at, revoked_at', 'least(expires_at, revoked_at) < now()', null),
      ('known_network', 'account_id', 'ctid, last_seen',
       $sql$last_seen < now() - interval '1 day'$sql$, null),
      ('throttle', 'id', 'empty_at', 'empty_at < now()', 'true')
    ) as t (name, key, ended, over, seen)
  loop
    execute format('create policy prune_select on pets.%I for select to pets_prune using ((%s) is true)',
                   t.name, coalesce(t.seen, t.over));
    execute format('create policy prune_lock on pets.%I for update to pets_prune using ((%s) is true) '
                   'with check (false)', t.name, t.over);
    execute format('create policy prune_delete on pets.%I for delete to pets_prune using ((%s) is true)',
                   t.name, t.over);
    execute format('grant select (%s, %s), update (%s), delete on pets.%I to pets_prune',
                   t.key, t.ended, t.key, t.name);
  end loop;
end
$$;

-- Each batch leaves an event, of how many rows.
create policy prune_insert on pets.audit_event
for insert to pets_prune
with check (actor_id is null and action = 'sensitive_delete');

grant insert (action, target_type, outcome, detail) on pets.audit_event to pets_prune;

-- What has a function for it is the job's business, too, and nobody else's.
revoke execute on function pets.prune_idempotency_keys(integer), pets.prune_deleted_pets(integer),
  pets.prune_transfers(integer) from pets_ops;
grant execute on function pets.prune_idempotency_keys(integer), pets.prune_deleted_pets(integer),
  pets.prune_transfers(integer) to pets_prune;

commit;
