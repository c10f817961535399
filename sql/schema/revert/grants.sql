-- Revert pets:grants from pg

begin;

revoke all on all tables in schema pets from pets_api, pets_auth, pets_ops;
revoke all on all functions in schema pets from pets_api, pets_auth, pets_ops;
revoke usage on schema pets from pets_api, pets_auth, pets_ops;

commit;
