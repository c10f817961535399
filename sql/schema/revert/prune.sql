-- Revert pets:prune from pg
--
-- A role that another database of the cluster still uses is left alone.

begin;

set local role pets_owner;

revoke execute on function pets.prune_idempotency_keys(integer), pets.prune_deleted_pets(integer),
  pets.prune_transfers(integer) from pets_prune;
grant execute on function pets.prune_idempotency_keys(integer), pets.prune_deleted_pets(integer),
  pets.prune_transfers(integer) to pets_ops;

drop index pets.totp_begun_idx;
drop index pets.login_challenge_over_idx;
drop index pets.api_key_over_idx;
drop index pets.session_over_idx;
drop index pets.mail_outbox_over_idx;

do $$
declare
  p record;
begin
  for p in
    select polname, polrelid::regclass as name
    from pg_catalog.pg_policy
    where polroles = array['pets_prune'::regrole::oid]
      and polrelid in (select oid from pg_catalog.pg_class where relnamespace = 'pets'::regnamespace)
  loop
    execute format('drop policy %I on %s', p.polname, p.name);
  end loop;
end
$$;

revoke all on all tables in schema pets from pets_prune;
revoke usage on schema pets from pets_prune;

reset role;

revoke connect on database :"DBNAME" from pets_prune;

do $$
begin
  drop role pets_prune;
exception when dependent_objects_still_exist then
  raise notice 'role pets_prune is still used elsewhere and is kept';
end
$$;

commit;
