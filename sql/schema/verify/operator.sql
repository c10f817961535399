-- Verify pets:operator on pg

begin;

do $$
begin
  if (select count(*) from pg_catalog.pg_policy
      where polroles = array['pets_ops'::regrole::oid]
        and polrelid in ('pets.account'::regclass, 'pets.session'::regclass, 'pets.api_key'::regclass)
        and polname in ('ops_select', 'ops_update')) <> 6 then
    raise exception 'a policy of the operator is missing';
  end if;
  if has_column_privilege('pets_ops', 'pets.account', 'email', 'update')
     or has_column_privilege('pets_ops', 'pets.session', 'account_id', 'update')
     or has_any_column_privilege('pets_ops', 'pets.session', 'insert')
     or has_any_column_privilege('pets_ops', 'pets.credential', 'select, update')
     or has_any_column_privilege('pets_ops', 'pets.reset_link', 'select, update')
     or has_column_privilege('pets_ops', 'pets.totp', 'secret', 'select, insert, update')
     or has_any_column_privilege('pets_ops', 'pets.mail_outbox', 'select, update')
     or has_function_privilege('pets_auth', 'pets.throttle_forget(uuid, inet, integer, integer)', 'execute') then
    raise exception 'the operator may do too much';
  end if;
end
$$;

rollback;
