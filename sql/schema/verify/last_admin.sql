-- Verify pets:last_admin on pg

begin;

do $$
begin
  if (select count(*) from pg_catalog.pg_trigger
      where tgrelid = 'pets.account'::regclass
        and tgfoid = 'pets.keep_admin()'::regprocedure
        and tgenabled = 'O') <> 2 then
    raise exception 'nothing keeps the last administrator';
  end if;
  if not exists (
    select from pg_catalog.pg_proc
    where oid = 'pets.keep_admin()'::regprocedure
      and prosecdef
      and proconfig = array['search_path=pg_catalog, pg_temp']
      and proowner = 'pets_owner'::regrole
  ) then
    raise exception 'keep_admin() is not what it should be';
  end if;
  if to_regclass('pets.account_admin_idx') is null then
    raise exception 'index account_admin_idx is missing';
  end if;
end
$$;

rollback;
