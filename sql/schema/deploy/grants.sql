-- Deploy pets:grants to pg
--
-- What the statements of each pool need, and not one column more. The columns
-- left out are as telling as the ones put in: times, versions and the role of a
-- new account come from defaults that no pool can set, owners never change, and
-- nobody but the superuser reads the audit record.

begin;

set local role pets_owner;

revoke all on all tables in schema pets from public;
revoke all on all sequences in schema pets from public;
revoke all on all functions in schema pets from public;

grant usage on schema pets to pets_api, pets_auth, pets_ops;
grant select (version) on pets.schema_version to pets_api, pets_auth;
grant execute on function pets.enter(uuid, uuid, text, boolean, integer) to pets_api, pets_auth;

grant execute on function pets.audit_pet_read(uuid, uuid, text, inet) to pets_api;

-- The api pool has nothing on account, credential and session.
grant select (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
              tags, created_at, updated_at, version),
      insert (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes,
              tags),
      update (name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
              updated_at, version),
      delete
on pets.pet to pets_api;

grant select (pet_id, version, action, owner_id, actor_id, changed_at, old, new),
      insert (pet_id, version, action, owner_id, actor_id, old, new)
on pets.pet_history to pets_api;

-- The auth pool has nothing on pets. It cannot choose the role of an account.
grant select (id, email, email_key, display_name, role, state, created_at, updated_at, version),
      insert (id, email, display_name)
on pets.account to pets_auth;

grant select (account_id, hash, pepper_id, generation),
      insert (account_id, hash, pepper_id),
      update (hash, pepper_id, generation, updated_at)
on pets.credential to pets_auth;

grant select (id, account_id, created_at, mfa, refreshed_at, expires_at, ends_at, revoked_at,
              address, user_agent),
      insert (id, account_id, mfa, refresh_hash, refresh_key_id, expires_at, ends_at, address, user_agent),
      update (authenticated_at, mfa, revoked_at)
on pets.session to pets_auth;

-- The operator's tool adds, and reads nothing.
grant insert (id, email, display_name, role)
on pets.account to pets_ops;

grant insert (account_id, hash, pepper_id)
on pets.credential to pets_ops;

-- Everybody adds to the record; id and time are not theirs to choose.
grant insert (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
on pets.audit_event to pets_api, pets_auth, pets_ops;

commit;
