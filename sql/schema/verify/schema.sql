-- Verify pets:schema on pg

begin;

do $$
begin
  if (select nspowner from pg_catalog.pg_namespace where nspname = 'pets')
     is distinct from 'pets_owner'::regrole then
    raise exception 'schema pets is missing or not owned by pets_owner';
  end if;
  if has_schema_privilege('public', 'pets', 'usage, create')
     or has_schema_privilege('public', 'public', 'usage, create') then
    raise exception 'public may use a schema';
  end if;
  if has_database_privilege('public', current_database(), 'connect, temporary, create') then
    raise exception 'public may use the database';
  end if;
  if (select count(*) from pets.schema_version) <> 1 then
    raise exception 'schema_version must have one row';
  end if;
end
$$;

rollback;
