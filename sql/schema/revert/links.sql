-- Revert pets:links from pg

begin;

drop function pets.reset_password(bytea, text, text, uuid, boolean, text, inet);
revoke insert (sent_at) on pets.mail_outbox from pets_auth;
drop table pets.reset_link;
drop table pets.registration;

commit;
