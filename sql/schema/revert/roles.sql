-- Revert pets:roles from pg
--
-- A role that another database of the cluster still uses is left alone.

begin;

do $$
declare
  name text;
begin
  foreach name in array array['pets_mail', 'pets_ops', 'pets_auth', 'pets_api', 'pets_owner'] loop
    begin
      execute format('drop role if exists %I', name);
    exception when dependent_objects_still_exist then
      raise notice 'role % is still used elsewhere and is kept', name;
    end;
  end loop;
end
$$;

commit;
