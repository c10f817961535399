-- Verify pets:pets on pg

begin;

select id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags,
       created_at, updated_at, version
from pets.pet where false;
select pet_id, version, action, owner_id, actor_id, changed_at, old, new
from pets.pet_history where false;

do $$
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conrelid = 'pets.pet'::regclass) <> 13 then
    raise exception 'a constraint of pet is missing';
  end if;
  if to_regclass('pets.pet_owner_id_idx') is null then
    raise exception 'index pet_owner_id_idx is missing';
  end if;
  if (select conkey from pg_catalog.pg_constraint where conname = 'pet_microchip_key'
      and conrelid = 'pets.pet'::regclass and contype = 'u') is null then
    raise exception 'a microchip must be unique';
  end if;
  begin
    perform array['']::pets.tag[];
    raise exception 'an empty tag is accepted';
  exception when check_violation then
    null;
  end;
end
$$;

rollback;
