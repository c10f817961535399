-- Deploy pets:schema to pg
--
-- Everything lives in the schema pets, and public has no way in: it may not
-- connect, make temporary tables, or use the schema public, and functions made
-- by the owner are nobody's until they are granted.

begin;

revoke all on database :"DBNAME" from public;
revoke all on schema public from public;
grant connect on database :"DBNAME" to pets_api, pets_auth, pets_ops, pets_mail;

create schema pets authorization pets_owner;

alter default privileges for role pets_owner revoke execute on functions from public;
alter default privileges for role pets_owner revoke usage on types from public;

set local role pets_owner;

comment on schema pets is 'Pets and the people who keep them. All of pets-api.';

-- One row: the program compares it with what it was built for. A change that
-- the program must know of raises it.
create table pets.schema_version (
  only_row boolean primary key default true,
  version integer not null,
  constraint schema_version_only_row check (only_row),
  constraint schema_version_positive check (version > 0)
);
insert into pets.schema_version (version) values (1);

commit;
