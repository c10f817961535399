-- Deploy pets:rehash to pg
--
-- A login may put a newer hash of the same password in the place of an old one. It
-- has no identity, and without one no credential can be changed, so this function
-- takes on that of the account for the one row, if it still has the hash that was
-- verified; whoever has an identity already is not given another. It runs with the
-- privileges of the pool. Null: nothing was changed.

begin;

set local role pets_owner;

create function pets.rehash(account_id uuid, old_hash text, hash text, pepper_id text)
returns uuid
language plpgsql
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  whose uuid;
  ignored text;
begin
  if nullif(current_setting('pets.user_id', true), '') is not null then
    return null;
  end if;
  select c.account_id into whose
  from pets.credential c
  where c.account_id = rehash.account_id
    and c.hash = rehash.old_hash;
  if whose is null then
    return null;
  end if;
  ignored := set_config('pets.user_id', whose::text, true);
  update pets.credential c
  set hash = rehash.hash,
      pepper_id = rehash.pepper_id
  where c.account_id = whose
    and c.hash = rehash.old_hash;
  return case when found then whose end;
end
$$;

grant execute on function pets.rehash(uuid, text, text, text) to pets_auth;

commit;
