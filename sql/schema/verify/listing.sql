-- Verify pets:listing on pg

begin;

select name_key from pets.pet where false;

do $$
declare
  missing text;
  name text;
begin
  select string_agg(wanted, ', ') into missing
  from unnest(array['pet_name_idx', 'pet_born_on_idx', 'pet_born_unknown_idx',
                    'pet_created_at_idx', 'pet_owner_name_idx', 'pet_owner_born_on_idx',
                    'pet_owner_born_unknown_idx', 'pet_owner_created_at_idx', 'pet_search_idx']) wanted
  left join pg_catalog.pg_index on indexrelid = to_regclass('pets.' || wanted)
  where indisvalid is not true;
  if missing is not null then
    raise exception 'not there, or not valid: %', missing;
  end if;
  if not exists (
    select from pg_catalog.pg_roles
    where rolname = 'pets_search'
      and not (rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication
               or rolbypassrls)
  ) then
    raise exception 'role pets_search is missing or may do too much';
  end if;
  if has_schema_privilege('pets_search', 'pets', 'create')
     or has_column_privilege('pets_search', 'pets.pet', 'notes', 'select')
     or has_any_column_privilege('pets_search', 'pets.pet', 'insert, update')
     or has_any_column_privilege('pets_search', 'pets.account', 'select') then
    raise exception 'pets_search may do more than search';
  end if;
  -- What runs as that role, for which the table is open, is for the api pool alone.
  foreach name in array array[
    'pets.pet_search(uuid, text, uuid, text, date, timestamptz, text, text, text, date, date, text, integer)',
    'pets.pet_count(uuid, text, text, text, date, date, text)'] loop
    if (select pg_get_userbyid(proowner) from pg_catalog.pg_proc where oid = to_regprocedure(name))
       is distinct from 'pets_search' then
      raise exception 'pets_search does not own %', name;
    end if;
    if not has_function_privilege('pets_api', name, 'execute') then
      raise exception 'pets_api may not execute %', name;
    end if;
    if has_function_privilege('pets_auth', name, 'execute')
       or has_function_privilege('pets_ops', name, 'execute')
       or has_function_privilege('pets_mail', name, 'execute') then
      raise exception 'another pool may execute %', name;
    end if;
  end loop;
  if has_schema_privilege('pets_api', 'pets_trgm', 'usage') then
    raise exception 'pets_api may use pets_trgm';
  end if;
  -- Nobody in particular has no pets, and dates are wanted after and before.
  if pets.pet_scope(null) is distinct from '00000000-0000-0000-0000-000000000000' then
    raise exception 'nobody has pets';
  end if;
  if pets.pet_matches('rex', 'dog', 'male', '{a}', '2020-01-01', 'dog', 'male', 'a',
                      '2020-01-01', null, 'EX') is not false
     or pets.pet_matches('rex', 'dog', 'male', '{a}', '2020-01-01', 'dog', 'male', 'a',
                         '2019-12-31', '2020-01-02', 'EX') is not true
     or pets.pet_matches('rex', 'dog', 'male', '{a}', null, null, null, null,
                         '2019-12-31', null, null) is not false then
    raise exception 'the wrong pets match';
  end if;
end
$$;

rollback;
