-- Revert pets:schema from pg

begin;

drop table pets.schema_version;
alter default privileges for role pets_owner grant usage on types to public;
alter default privileges for role pets_owner grant execute on functions to public;
drop schema pets;

revoke connect on database :"DBNAME" from pets_api, pets_auth, pets_ops, pets_mail;
grant usage on schema public to public;
grant connect, temporary on database :"DBNAME" to public;

commit;
