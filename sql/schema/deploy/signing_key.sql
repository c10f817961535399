-- Deploy pets:signing_key to pg
--
-- When access tokens were last signed with which key: whoever wants to take a key away
-- must know when its last token expires. It is noted in the transaction that comes
-- before each token, and to ten seconds, so that not every refresh writes to one row.
-- Nobody waits to do so: who finds somebody at it leaves it to him, and a note that is
-- lost with its transaction is made by the next token.

begin;

set local role pets_owner;

create table pets.signing_key (
  kid text not null,
  signed_at timestamptz not null,
  constraint signing_key_pkey primary key (kid),
  constraint signing_key_kid_size check (octet_length(kid) between 1 and 64)
);

alter table pets.signing_key enable row level security, force row level security;

create policy owner_signing_key on pets.signing_key
to pets_owner
using (true);

-- A token is about to be signed with this key. True when that has been noted now.
create function pets.signing_key_note(kid text) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if kid is null
     or exists (
       select from pets.signing_key k
       where k.kid = signing_key_note.kid
         and k.signed_at > clock_timestamp() - interval '10 seconds')
     or not pg_try_advisory_xact_lock(hashtextextended('pets.signing_key ' || kid, 0)) then
    return false;
  end if;
  insert into pets.signing_key as k (kid, signed_at)
  values (signing_key_note.kid, clock_timestamp())
  on conflict on constraint signing_key_pkey do update
  set signed_at = greatest(k.signed_at, excluded.signed_at);
  return true;
end
$$;

-- Null: it was never.
create function pets.signing_key_used(kid text) returns timestamptz
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.signed_at
  from pets.signing_key k
  where k.kid = signing_key_used.kid
$$;

grant execute on function pets.signing_key_note(text), pets.signing_key_used(text) to pets_auth;

commit;
