-- Revert pets:registry from pg

begin;

revoke select (project, change) on sqitch.changes from pets_ops;
revoke usage on schema sqitch from pets_ops;

commit;
