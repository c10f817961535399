-- Revert pets:accounts from pg

begin;

drop table pets.session;
drop table pets.credential;
drop table pets.account;

commit;
