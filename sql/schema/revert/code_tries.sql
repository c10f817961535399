-- Revert pets:code_tries from pg

begin;

grant select (tried_at), update (tried_at) on pets.totp to pets_auth;
drop function pets.code_forgive(uuid);
drop function pets.code_accept(uuid, inet, integer[]);
drop function pets.code_take(uuid, inet, integer[]);
drop function pets.code_free_at(integer, timestamptz);
drop policy owner_codes_count on pets.totp;
drop policy owner_codes_look on pets.totp;
alter table pets.known_network
  drop column code_tries,
  drop column code_tried_at;

commit;
