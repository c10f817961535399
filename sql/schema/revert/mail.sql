-- Revert pets:mail from pg

begin;

drop table pets.mail_outbox;
revoke usage on schema pets from pets_mail;

commit;
