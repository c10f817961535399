-- The data of the benchmark: :owners people, each with one session, and :pets pets of theirs in turn, none of
-- them random, so that every run and every client (wrk.lua, lib/Bench/Sql.pm) knows every id by its number.
-- An id is a UUIDv7 whose digits happen to be decimal, because those are all that pgbench can make:
--
--   session 0198NNNN-NNNN-7000-8000-000000000000    NNNNNNNN is 10000000 and the number of the owner
--   account 0199NNNN-NNNN-7000-8000-000000000000
--   pet     019aNNNN-NNNN-7000-8000-000000000000    and that of the pet; its owner's is pet modulo :owners

\set ON_ERROR_STOP 1
begin;

insert into pets.account (id, email, display_name)
select ('0199' || 10000000 + n || '70008000000000000000')::uuid, 'owner' || n || '@example.org', 'Owner ' || n
from generate_series(0, :owners - 1) n;

insert into pets.session (id, account_id, refresh_hash, expires_at, ends_at)
select ('0198' || 10000000 + n || '70008000000000000000')::uuid,
       ('0199' || 10000000 + n || '70008000000000000000')::uuid,
       sha256(n::text::bytea), now() + interval '1 day', now() + interval '2 days'
from generate_series(0, :owners - 1) n;

insert into pets.pet (id, owner_id, name, species, breed, sex, born_on, weight_grams, microchip, notes, tags)
select ('019a' || 10000000 + n || '70008000000000000000')::uuid,
       ('0199' || 10000000 + n % :owners || '70008000000000000000')::uuid,
       (array['Rex', 'Luna', 'Max', 'Bella', 'Felix', 'Nala', 'Oscar', 'Coco'])[1 + n % 8] || ' ' || n,
       (array['dog', 'cat', 'bird', 'fish', 'rabbit', 'rodent', 'reptile', 'horse', 'other'])[1 + n % 9],
       (array['Beagle', 'Maine Coon', 'Budgerigar', null])[1 + n % 4],
       (array['female', 'male', 'unknown'])[1 + n % 3],
       date '2015-01-01' + n % 3650,
       100 + n % 40000,
       case when n % 2 = 0 then lpad((900000000000000 + n)::text, 15, '0') end,
       case when n % 3 <> 0 then 'Likes long walks and short naps; afraid of thunder (' || n || ').' end,
       array['house', 'garden']::pets.tag[]
from generate_series(0, :pets - 1) n;

commit;
vacuum (freeze, analyze);
checkpoint;
