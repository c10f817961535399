-- Revert pets:listing from pg

begin;

drop function
  pets.pet_count(uuid, text, text, text, date, date, text),
  pets.pet_search(uuid, text, uuid, text, date, timestamptz, text, text, text, date, date, text,
                  integer),
  pets.pet_scope(uuid),
  pets.pet_words(uuid, text, text, text),
  pets.pet_pattern(text),
  pets.pet_matches(text, text, text, text[], date, text, text, text, date, date, text);

drop policy search_select on pets.pet;
revoke all (id, owner_id, species, sex, born_on, tags, created_at, name_key)
on pets.pet from pets_search;
revoke all on schema pets from pets_search;

drop index
  pets.pet_search_idx,
  pets.pet_owner_created_at_idx,
  pets.pet_owner_born_unknown_idx,
  pets.pet_owner_born_on_idx,
  pets.pet_owner_name_idx,
  pets.pet_created_at_idx,
  pets.pet_born_unknown_idx,
  pets.pet_born_on_idx,
  pets.pet_name_idx;

alter table pets.pet drop column name_key;

drop extension pg_trgm;
drop schema pets_trgm;

-- Another database of the cluster may still use it.
do $$
begin
  drop role pets_search;
exception when dependent_objects_still_exist then
  raise notice 'role pets_search is still used elsewhere and is kept';
end
$$;

commit;
