-- Verify pets:links on pg

begin;

select id, link_hash, email, display_name, hash, pepper_id, created_at, expires_at
from pets.registration where false;
select id, link_hash, account_id, created_at, expires_at, used_at
from pets.reset_link where false;

do $$
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conname in ('registration_link_hash_key', 'registration_link_hash_size',
                        'reset_link_link_hash_key', 'reset_link_link_hash_size')
        and connamespace = 'pets'::regnamespace) <> 4 then
    raise exception 'a constraint of registration or reset_link is missing';
  end if;
  if not exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure('pets.reset_password(bytea,text,text,uuid,boolean,text,inet)')
      and not prosecdef
      and proconfig @> array['search_path=pg_catalog, pg_temp']
  ) then
    raise exception 'function reset_password is missing, or is not what it was';
  end if;
  if has_any_column_privilege('pets_api', 'pets.registration', 'select, insert, update')
     or has_any_column_privilege('pets_api', 'pets.reset_link', 'select, insert, update')
     or has_any_column_privilege('pets_mail', 'pets.reset_link', 'select, insert, update') then
    raise exception 'somebody may do too much to links';
  end if;
end
$$;

rollback;
