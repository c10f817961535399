-- Verify pets:policies on pg

begin;

do $$
declare
  bare text;
begin
  -- Every table but the version is about people, and so are those to come.
  select string_agg(relname, ', ') into bare
  from pg_catalog.pg_class
  where relnamespace = 'pets'::regnamespace
    and relkind in ('r', 'p')
    and relname <> 'schema_version'
    and not (relrowsecurity and relforcerowsecurity);
  if bare is not null then
    raise exception 'row-level security is not forced on %', bare;
  end if;
  -- A policy for public would open a table to roles nobody has thought of.
  if exists (
    select from pg_catalog.pg_policy p
    join pg_catalog.pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'pets'::regnamespace and 0 = any (p.polroles)
  ) then
    raise exception 'a policy is for public';
  end if;
  if (select count(*) from pg_catalog.pg_policy p
      join pg_catalog.pg_class c on c.oid = p.polrelid
      where c.relnamespace = 'pets'::regnamespace) < 20 then
    raise exception 'a policy is missing';
  end if;
end
$$;

rollback;
