-- Verify pets:trace on pg

begin;

select trace_id from pets.audit_event where false;

do $$
begin
  if not exists (
    select from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = 'pets.audit_event'::regclass
      and a.attname = 'trace_id'
      and pg_get_expr(d.adbin, d.adrelid) like '%pets.trace_id%'
  ) then
    raise exception 'audit_event.trace_id is not what it was';
  end if;
  if has_column_privilege('pets_api', 'pets.audit_event', 'trace_id', 'insert')
     or has_column_privilege('pets_auth', 'pets.audit_event', 'trace_id', 'insert')
     or has_column_privilege('pets_ops', 'pets.audit_event', 'trace_id', 'insert') then
    raise exception 'somebody may choose the trace of an audit event';
  end if;
end
$$;

rollback;
