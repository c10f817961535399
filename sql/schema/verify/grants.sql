-- Verify pets:grants on pg
--
-- The whole matrix is compared with a golden file by the tests; here are the
-- sentences that an auditor would want to hear.

begin;

do $$
declare
  forbidden record;
begin
  for forbidden in
    select * from (values
      ('pets_api', 'pets.account'), ('pets_api', 'pets.credential'), ('pets_api', 'pets.session'),
      ('pets_auth', 'pets.pet'), ('pets_auth', 'pets.pet_history'),
      ('pets_ops', 'pets.pet'), ('pets_ops', 'pets.pet_history')
    ) as f (role, target)
  loop
    if has_any_column_privilege(forbidden.role, forbidden.target, 'select, insert, update, references')
       or has_table_privilege(forbidden.role, forbidden.target, 'delete, truncate, trigger') then
      raise exception '% has a privilege on %', forbidden.role, forbidden.target;
    end if;
  end loop;
  for forbidden in
    select r.role, c.oid::regclass as target
    from unnest(array['pets_api', 'pets_auth', 'pets_ops']) as r (role)
    cross join pg_catalog.pg_class c
    where c.relnamespace = 'pets'::regnamespace and c.relkind = 'r'
      and (has_table_privilege(r.role, c.oid, 'truncate, references, trigger')
           or c.relname = 'audit_event'
              and (has_any_column_privilege(r.role, c.oid, 'select, update')
                   or has_table_privilege(r.role, c.oid, 'delete'))
           or c.relname = 'credential' and r.role <> 'pets_auth'
              and has_any_column_privilege(r.role, c.oid, 'select'))
  loop
    raise exception '% may do too much to %', forbidden.role, forbidden.target;
  end loop;
  if has_column_privilege('pets_auth', 'pets.account', 'role', 'insert') then
    raise exception 'pets_auth may choose the role of a new account';
  end if;
  if not has_function_privilege('pets_api', 'pets.enter(uuid,uuid,text,boolean,integer)', 'execute')
     or not has_function_privilege('pets_auth', 'pets.enter(uuid,uuid,text,boolean,integer)', 'execute')
     or has_function_privilege('pets_ops', 'pets.enter(uuid,uuid,text,boolean,integer)', 'execute')
     or has_function_privilege('public', 'pets.enter(uuid,uuid,text,boolean,integer)', 'execute') then
    raise exception 'enter() is not for exactly the two pools';
  end if;
end
$$;

rollback;
