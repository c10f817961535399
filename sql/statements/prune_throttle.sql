-- prune_throttle: Delete buckets that have drained, of the next ones in order.
-- pool: prune
-- params: after uuid, most int4
-- columns: gone int4, last uuid
-- writes: yes
--
-- petsctl database prune walks so through the table, which is a hash and a time a row, and has
-- no index by time, as every attempt would have to keep it. last is where it has come;
-- null: nothing is left. throttle_pkey serves it.

with seen as materialized (
  select id
  from pets.throttle
  where id > $1::uuid
  order by id
  limit $2::int4
),
gone as (
  delete from pets.throttle
  where id = any (array(
    select id
    from pets.throttle
    where id = any (array(select id from seen))
      and empty_at < now()
    for update skip locked))
  returning 1
)
select (select count(*)::int4 from gone) as gone,
       (select id from seen order by id desc limit 1) as last
