-- Revert pets:watch from pg
--
-- A role that another database of the cluster still uses is left alone.

begin;

revoke select (project, change) on sqitch.changes from pets_watch;
revoke usage on schema sqitch from pets_watch;
revoke connect on database :"DBNAME" from pets_watch;

do $$
begin
  drop role pets_watch;
exception when dependent_objects_still_exist then
  raise notice 'role pets_watch is still used elsewhere and is kept';
end
$$;

commit;
