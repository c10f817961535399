-- Verify pets:second_factor on pg

begin;

select account_id, secret, key_id, created_at, confirmed_at, last_step, tries, tried_at,
       recovery_batch
from pets.totp where false;
select account_id, hash, batch, created_at, used_at
from pets.recovery_code where false;
select token_hash, account_id, credential_generation, created_at, expires_at, tries
from pets.login_challenge where false;

do $$
declare
  name text;
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conname in ('totp_secret_size', 'recovery_code_hash_size', 'recovery_code_totp_fkey',
                        'login_challenge_token_hash_size')
        and connamespace = 'pets'::regnamespace) <> 4 then
    raise exception 'a constraint of the second factor is missing';
  end if;
  if to_regclass('pets.login_challenge_account_id_idx') is null then
    raise exception 'index login_challenge_account_id_idx is missing';
  end if;
  foreach name in array array['pets.totp', 'pets.recovery_code', 'pets.login_challenge'] loop
    if has_any_column_privilege('pets_api', name, 'select, insert, update, references')
       or has_table_privilege('pets_api', name, 'delete, truncate') then
      raise exception 'pets_api has a privilege on %', name;
    end if;
    if has_any_column_privilege('pets_ops', name, 'insert')
       or has_column_privilege('pets_ops', 'pets.totp', 'secret', 'select, update')
       or has_column_privilege('pets_ops', 'pets.totp', 'last_step', 'update') then
      raise exception 'pets_ops may make a second factor';
    end if;
  end loop;
end
$$;

rollback;
