-- Deploy pets:roles to pg
--
-- Five roles: one owns everything and cannot log in, four log in and own
-- nothing. Roles belong to the whole cluster, so one that is already there (a
-- second database, or a careful administrator) is kept. No password is set
-- here: that is the business of whoever runs the cluster. A deployer who is no
-- superuser is made a member of the owner, which later changes need too.

begin;

do $$
declare
  name text;
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'pets_owner') then
    create role pets_owner nologin;
  end if;
  foreach name in array array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = name) then
      execute format('create role %I login noinherit', name);
    end if;
  end loop;
  if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    execute format('grant pets_owner to %I', current_user);
  end if;
end
$$;

-- Plans are made once per connection and never for one value, so that they are
-- the plans the tests have seen. Every statement is a walk along an index, also in
-- a database so new that it has no statistics, so the planner is told not to think
-- of anything else. Times are UTC; nobody waits long for a lock or sits in an open
-- transaction. The program sets statement_timeout itself.
do $$
declare
  name text;
begin
  foreach name in array array['pets_owner', 'pets_api', 'pets_auth', 'pets_ops', 'pets_mail'] loop
    execute format('alter role %I set search_path = pets, pg_temp', name);
    execute format('alter role %I set timezone = %L', name, 'UTC');
    execute format('alter role %I set row_security = on', name);
  end loop;
  foreach name in array array['pets_api', 'pets_auth', 'pets_ops', 'pets_mail'] loop
    execute format('alter role %I set plan_cache_mode = force_generic_plan', name);
    execute format('alter role %I set jit = off', name);
    execute format('alter role %I set enable_seqscan = off', name);
    execute format('alter role %I set enable_bitmapscan = off', name);
    execute format('alter role %I set default_transaction_isolation = %L', name, 'read committed');
    execute format('alter role %I set idle_in_transaction_session_timeout = %L', name, '10s');
    execute format('alter role %I set lock_timeout = %L', name, '2s');
    execute format('alter role %I set client_min_messages = warning', name);
  end loop;
end
$$;

commit;
