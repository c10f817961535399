-- Deploy pets:listing to pg
--
-- Orders, filters and search of the list of pets. For each order there is an index of
-- one owner's pets and one of everybody's; ties are broken by id. Names are ordered
-- and searched without regard to case, in a column of its own: under row-level security
-- only what is known to be leakproof may search an index, and lower() is not.
--
-- A page is found in one of two ways. A walk goes along the index of the order and
-- drops what the filters do not want (the statements pet_list_*); it is quick when
-- enough is wanted, and it ends after some thousand pets. What is so rare that a walk
-- does not fill a page is fetched by pet_search from an inverted index and sorted: few
-- rows, because it is rare. So neither the depth of a page nor the size of the table
-- matters, and no plan depends on statistics.
--
-- The inverted index holds trigrams of the name, and words: owner, species, sex and
-- tags. A tag may look like one of the other words; it is a candidate then, and
-- pet_matches has the last word. Operators of arrays and trigrams are not leakproof,
-- so pet_search runs as a role of its own, for which a policy opens the table, and
-- grants no more of it than what is looked for. It looks at the identity itself, and
-- gives ids alone: who asks reads the rows under his own policy. That role cannot log in
-- and nobody but a deployer is a member of it.
--
-- pg_trgm is a trusted extension; it has a schema of its own, where nobody but the
-- owner may call its functions.

begin;

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'pets_search') then
    create role pets_search nologin noinherit;
  end if;
  if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    execute format('grant pets_search to %I', current_user);
  end if;
end
$$;

create schema pets_trgm;
create extension pg_trgm with schema pets_trgm;
grant usage on schema pets_trgm to pets_owner;

set local role pets_owner;

alter table pets.pet
  add column name_key text collate "C" not null generated always as (lower(name)) stored;

create index pet_name_idx on pets.pet (name_key, id);
create index pet_born_on_idx on pets.pet (born_on, id) where born_on is not null;
create index pet_born_unknown_idx on pets.pet (id) where born_on is null;
create index pet_created_at_idx on pets.pet (created_at, id);
create index pet_owner_name_idx on pets.pet (owner_id, name_key, id);
create index pet_owner_born_on_idx on pets.pet (owner_id, born_on, id)
  where born_on is not null;
create index pet_owner_born_unknown_idx on pets.pet (owner_id, id) where born_on is null;
create index pet_owner_created_at_idx on pets.pet (owner_id, created_at, id);

-- The list of what is new is kept short: each search reads all of it, and who makes
-- it too long has to work it off.
create index pet_search_idx on pets.pet using gin (
  name_key pets_trgm.gin_trgm_ops,
  (array[owner_id::text, 'species ' || species, 'sex ' || sex] || tags::text[])
) with (gin_pending_list_limit = 256);

grant usage on schema pets to pets_search;
grant select (id, owner_id, species, sex, born_on, tags, created_at, name_key)
on pets.pet to pets_search;

create policy search_select on pets.pet
for select to pets_search
using (true);

-- Whether a pet is wanted; null wants everything. A date is wanted after and before,
-- not on these days, and one that is not known is neither; q is a piece of the name in
-- any case, taken literally. Never null. It is one expression, so that it is made part
-- of the statements that call it.
create function pets.pet_matches(
  name_key text, species text, sex text, tags text[], born_on date,
  want_species text, want_sex text, want_tag text, born_after date, born_before date, q text)
returns boolean
language sql
immutable
parallel safe
return (
  (want_species is null or species = want_species)
  and (want_sex is null or sex = want_sex)
  and (want_tag is null or tags @> array[want_tag])
  and (born_after is null or born_on > born_after)
  and (born_before is null or born_on < born_before)
  and (q is null or strpos(name_key, lower(q)) > 0)
) is true;

-- The same as something to look up: what the name must be like, and the words.
create function pets.pet_pattern(q text) returns text
language sql
immutable
parallel safe
return '%' || coalesce(
  replace(replace(replace(lower(q), '\', '\\'), '%', '\%'), '_', '\_') || '%', '');

create function pets.pet_words(owner uuid, species text, sex text, tag text) returns text[]
language sql
immutable
parallel safe
return array_remove(
  array[owner::text, 'species ' || species, 'sex ' || sex, tag], null);

-- Whose pets a list is about: those of the account asked for, or everybody's (null),
-- for an ADMIN; one's own for anybody else.
create function pets.pet_scope(wanted uuid) returns uuid
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when current_setting('pets.role', true) = 'ADMIN' then wanted
    else coalesce(nullif(current_setting('pets.user_id', true), '')::uuid,
                  '00000000-0000-0000-0000-000000000000')
  end
$$;

-- The ids of a page of what is rare, in order. sort is name, born_on or created_at,
-- with a minus for the other direction, or null: newest first. The page begins behind
-- the pet before_id, whose key was before_name, before_born_on (null: not known) or
-- before_created_at. Pets whose birthday is not known come last in either direction.
-- At least one filter besides owner must be given. An inverted index has to read all of a
-- column that is not asked about, hence a branch for each case; each runs or does not.
create function pets.pet_search(
  owner uuid, sort text, before_id uuid, before_name text, before_born_on date,
  before_created_at timestamptz, want_species text, want_sex text, want_tag text,
  born_after date, born_before date, q text, wanted integer)
returns setof uuid
language plpgsql
stable
security definer
rows 101
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = on
set max_parallel_workers_per_gather = 0
as $$
declare
  scope constant uuid := pets.pet_scope(owner);
  by_date constant boolean := coalesce(want_species, want_sex, want_tag, q) is null;
  words constant text[] := case when by_date then '{}'
    else pets.pet_words(scope, want_species, want_sex, want_tag) end;
  pattern constant text := pets.pet_pattern(q);
  first_day constant date := coalesce(born_after, '-infinity');
  last_day constant date := coalesce(born_before, 'infinity');
  descending constant boolean := coalesce(sort, '-') like '-%';
begin
  return query
  select c.id
  from (
    select p.id, p.owner_id, p.name_key, p.species, p.sex, p.tags, p.born_on, p.created_at
    from pets.pet p
    where cardinality(words) > 0 and q is null
      and (array[p.owner_id::text, 'species ' || p.species, 'sex ' || p.sex] || p.tags::text[])
        @> words
    union all
    select p.id, p.owner_id, p.name_key, p.species, p.sex, p.tags, p.born_on, p.created_at
    from pets.pet p
    where cardinality(words) = 0 and q is not null
      and p.name_key like pattern
    union all
    select p.id, p.owner_id, p.name_key, p.species, p.sex, p.tags, p.born_on, p.created_at
    from pets.pet p
    where cardinality(words) > 0 and q is not null
      and p.name_key like pattern
      and (array[p.owner_id::text, 'species ' || p.species, 'sex ' || p.sex] || p.tags::text[])
        @> words
    union all
    select p.id, p.owner_id, p.name_key, p.species, p.sex, p.tags, p.born_on, p.created_at
    from pets.pet p
    where by_date and scope is null
      and p.born_on > first_day and p.born_on < last_day
    union all
    select p.id, p.owner_id, p.name_key, p.species, p.sex, p.tags, p.born_on, p.created_at
    from pets.pet p
    where by_date and p.owner_id = scope
      and p.born_on > first_day and p.born_on < last_day
  ) c
  where (scope is null or c.owner_id = scope)
    and pets.pet_matches(c.name_key, c.species, c.sex, c.tags::text[], c.born_on,
                         want_species, want_sex, want_tag, born_after, born_before, q)
    and (before_id is null or case sort
      when 'name' then (c.name_key, c.id) > (lower(before_name), before_id)
      when '-name' then (c.name_key, c.id) < (lower(before_name), before_id)
      when 'created_at' then (c.created_at, c.id) > (before_created_at, before_id)
      when '-created_at' then (c.created_at, c.id) < (before_created_at, before_id)
      when 'born_on' then
        case when before_born_on is null then c.born_on is null and c.id > before_id
             else c.born_on is null or (c.born_on, c.id) > (before_born_on, before_id) end
      when '-born_on' then
        case when before_born_on is null then c.born_on is null and c.id < before_id
             else c.born_on is null or (c.born_on, c.id) < (before_born_on, before_id) end
      else c.id < before_id
    end)
  order by
    case when sort = 'name' then c.name_key end,
    case when sort = '-name' then c.name_key end desc,
    case when sort = 'created_at' then c.created_at end,
    case when sort = '-created_at' then c.created_at end desc,
    case when sort = 'born_on' then c.born_on end nulls last,
    case when sort = '-born_on' then c.born_on end desc nulls last,
    case when not descending then c.id end,
    case when descending then c.id end desc
  limit wanted;
end
$$;

-- About how many pets a list has: exactly, when a walk along the newest ones comes to the
-- end within 10,000. What is rare among those is looked up, so that is exact as well up to
-- as many. Anything else is reckoned from the share of them that is wanted and from what
-- the planner takes for the number of all, which it tells to explain alone, and to no
-- function that is called stable.
create function pets.pet_count(
  owner uuid, want_species text, want_sex text, want_tag text, born_after date,
  born_before date, q text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set max_parallel_workers_per_gather = 0
as $$
declare
  most constant integer := 10000;
  scope constant uuid := pets.pet_scope(owner);
  walked integer;
  wanted integer;
  plan json;
begin
  select count(*),
         count(*) filter (where pets.pet_matches(
           w.name_key, w.species, w.sex, w.tags::text[], w.born_on,
           want_species, want_sex, want_tag, born_after, born_before, q))
  into walked, wanted
  from (
    (
      select p.name_key, p.species, p.sex, p.tags, p.born_on
      from pets.pet p
      where p.owner_id = scope
      order by p.id desc
      limit most
    )
    union all
    (
      select p.name_key, p.species, p.sex, p.tags, p.born_on
      from pets.pet p
      where scope is null
      order by p.id desc
      limit most
    )
  ) w;
  if walked < most then
    return wanted;
  end if;
  if wanted < most / 100 and (q is null or q ~ '[[:alnum:]]{3}') then
    select count(*) into wanted
    from pets.pet_search(owner, null, null, null, null, null, want_species, want_sex, want_tag,
                         born_after, born_before, q, most);
    return wanted;
  end if;
  execute 'explain (format json) select from pets.pet p where $1 is null or p.owner_id = $1'
  into plan
  using scope;
  return greatest(wanted, (plan #>> '{0,Plan,Plan Rows}')::numeric * wanted / walked)::bigint;
end
$$;

revoke all on function
  pets.pet_matches(text, text, text, text[], date, text, text, text, date, date, text),
  pets.pet_pattern(text),
  pets.pet_words(uuid, text, text, text),
  pets.pet_scope(uuid),
  pets.pet_search(uuid, text, uuid, text, date, timestamptz, text, text, text, date, date, text,
                  integer),
  pets.pet_count(uuid, text, text, text, date, date, text)
from public;

grant select (name_key) on pets.pet to pets_api;
grant execute on function
  pets.pet_matches(text, text, text, text[], date, text, text, text, date, date, text)
to pets_api, pets_search;
grant execute on function
  pets.pet_search(uuid, text, uuid, text, date, timestamptz, text, text, text, date, date, text,
                  integer),
  pets.pet_count(uuid, text, text, text, date, date, text)
to pets_api;
grant execute on function
  pets.pet_pattern(text),
  pets.pet_words(uuid, text, text, text),
  pets.pet_scope(uuid)
to pets_search;

-- Who is given a function must be allowed to make one, for as long as that takes.
grant create on schema pets to pets_search;
reset role;
alter function pets.pet_search(uuid, text, uuid, text, date, timestamptz, text, text, text, date,
  date, text, integer) owner to pets_search;
alter function pets.pet_count(uuid, text, text, text, date, date, text) owner to pets_search;
set local role pets_owner;
revoke create on schema pets from pets_search;

commit;
