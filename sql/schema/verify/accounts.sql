-- Verify pets:accounts on pg

begin;

select id, email, email_key, display_name, role, state, created_at, updated_at, version
from pets.account where false;
select account_id, hash, pepper_id, generation, updated_at
from pets.credential where false;
select id, account_id, created_at, authenticated_at, mfa, generation, refresh_hash, previous_hash,
       refresh_key_id, refreshed_at, expires_at, ends_at, revoked_at, address, user_agent
from pets.session where false;

do $$
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conname in ('account_email_key', 'account_role_known', 'account_state_known',
                        'credential_account_fkey', 'session_account_fkey')
        and connamespace = 'pets'::regnamespace) <> 5 then
    raise exception 'a constraint of account, credential or session is missing';
  end if;
  if to_regclass('pets.session_account_id_idx') is null then
    raise exception 'index session_account_id_idx is missing';
  end if;
end
$$;

rollback;
