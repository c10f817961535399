-- Deploy pets:watch to pg
--
-- petsctl doctor looks every hour whether the schema and everybody's privileges are as they
-- should be, as pets_watch: it sees the catalogs, as everybody does, and which changes
-- were deployed, and no row of anybody's.

begin;

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'pets_watch') then
    create role pets_watch login noinherit;
  end if;
end
$$;

alter role pets_watch set search_path = pg_catalog, pg_temp;
alter role pets_watch set timezone = 'UTC';
alter role pets_watch set row_security = on;
alter role pets_watch set default_transaction_read_only = on;
alter role pets_watch set jit = off;
alter role pets_watch set idle_in_transaction_session_timeout = '10s';
alter role pets_watch set lock_timeout = '2s';
alter role pets_watch set statement_timeout = '30s';
alter role pets_watch set client_min_messages = warning;

grant connect on database :"DBNAME" to pets_watch;
grant usage on schema sqitch to pets_watch;
grant select (project, change) on sqitch.changes to pets_watch;

commit;
