-- Deploy pets:last_admin to pg
--
-- The last active administrator stays one, whoever asks and however many ask at
-- once. Whatever takes an active administrator away waits for its turn, which ends
-- with the transaction, and then looks whether one is left; in read committed, which
-- the roles have, it sees what those before it have done. It looks after the
-- statement, so one that takes two away is judged by what it leaves. Who must get
-- past this (a superuser at the end of a service) disables the trigger.
--
-- PE006: no active administrator would be left.

begin;

set local role pets_owner;

-- Serves the look, however many accounts there are.
create index account_admin_idx on pets.account (id)
where role = 'ADMIN' and state = 'active';

create function pets.keep_admin() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('pets.keep_admin', 0));
  if not exists (select from pets.account where role = 'ADMIN' and state = 'active') then
    raise exception 'the last active administrator' using errcode = 'PE006';
  end if;
  return null;
end
$$;

revoke all on function pets.keep_admin() from public;

create trigger account_keep_admin_update
after update of role, state on pets.account
for each row
when (old.role = 'ADMIN' and old.state = 'active'
      and (new.role <> 'ADMIN' or new.state <> 'active'))
execute function pets.keep_admin();

create trigger account_keep_admin_delete
after delete on pets.account
for each row
when (old.role = 'ADMIN' and old.state = 'active')
execute function pets.keep_admin();

commit;
