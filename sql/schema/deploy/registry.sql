-- Deploy pets:registry to pg
--
-- The operator's tool sees which changes were deployed, and compares them with the
-- plan that was installed beside it (petsctl doctor). Who deployed them is none of
-- its business.

begin;

grant usage on schema sqitch to pets_ops;
grant select (project, change) on sqitch.changes to pets_ops;

commit;
