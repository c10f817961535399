-- Deploy pets:batch to pg
--
-- Many pets are created by one statement, all or none. Whose microchip is another pet's
-- would be told by a constraint, but without saying which one of the many it is; so the
-- statement skips it, and then refuses all with the places that were skipped.
--
-- PE013: microchips are taken; the detail names the places, separated by blanks.

begin;

set local role pets_owner;

create function pets.refuse_taken(places text[]) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'microchip taken'
    using errcode = 'PE013', detail = array_to_string(places, ' ');
end
$$;

grant execute on function pets.refuse_taken(text[]) to pets_api;

commit;
