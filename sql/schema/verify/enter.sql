-- Verify pets:enter on pg

begin;

do $$
begin
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure('pets.enter(uuid,uuid,text,boolean,integer)')
      and prosecdef
      and proowner = 'pets_owner'::regrole
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function enter is missing, or is not what it was';
  end if;
  begin
    perform pets.enter('00000000-0000-7000-8000-000000000000',
                       '00000000-0000-7000-8000-000000000000', null, true, null);
    raise exception 'nobody may enter' using errcode = 'PE999';
  exception when sqlstate 'PE001' then
    null;
  end;
end
$$;

rollback;
