-- Verify pets:users on pg

begin;

do $$
begin
  if (select count(*) from pg_catalog.pg_policies
      where schemaname = 'pets'
        and (tablename, policyname) in
            (('account', 'auth_update'), ('session', 'auth_revoke'), ('api_key', 'auth_look'))
        and coalesce(qual, '') like '%pets.role%ADMIN%') <> 3 then
    raise exception 'a policy for administrators is missing, or is not what it was';
  end if;
  if has_column_privilege('pets_auth', 'pets.account', 'email', 'update')
     or has_column_privilege('pets_auth', 'pets.account', 'id', 'update') then
    raise exception 'pets_auth may change who an account belongs to';
  end if;
end
$$;

rollback;
