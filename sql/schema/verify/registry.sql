-- Verify pets:registry on pg

begin;

do $$
declare
  columns text;
begin
  if not has_schema_privilege('pets_ops', 'sqitch', 'usage') or has_schema_privilege('pets_ops', 'sqitch', 'create') then
    raise exception 'pets_ops may not look into schema sqitch, or may do more';
  end if;
  select string_agg(attname, ' ' order by attname)
  into columns
  from pg_catalog.pg_attribute
  where attrelid = 'sqitch.changes'::regclass and attnum > 0
    and has_column_privilege('pets_ops', attrelid, attnum, 'select');
  if columns is distinct from 'change project' then
    raise exception 'of sqitch.changes pets_ops may see: %', columns;
  end if;
end
$$;

rollback;
