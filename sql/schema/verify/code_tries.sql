-- Verify pets:code_tries on pg

begin;

select account_id, network, code_tries, code_tried_at from pets.known_network where false;

do $$
begin
  if (select count(*) from pg_catalog.pg_proc
      where pronamespace = 'pets'::regnamespace
        and proname in ('code_take', 'code_accept', 'code_forgive')
        and prosecdef
        and proconfig @> array['search_path=pg_catalog, pg_temp']) <> 3 then
    raise exception 'a function of tries is missing, or is no security definer with a fixed search_path';
  end if;
  if not has_function_privilege('pets_auth', 'pets.code_take(uuid, inet, integer[])', 'execute')
     or has_function_privilege('pets_auth', 'pets.code_forgive(uuid)', 'execute')
     or has_function_privilege('pets_ops', 'pets.code_take(uuid, inet, integer[])', 'execute')
     or has_function_privilege('pets_api', 'pets.code_take(uuid, inet, integer[])', 'execute') then
    raise exception 'somebody may do too much about tries, or too little';
  end if;
  if has_column_privilege('pets_auth', 'pets.totp', 'tried_at', 'select, update') then
    raise exception 'pets_auth may write down another time of a try';
  end if;
end
$$;

rollback;
