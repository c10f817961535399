-- throttle_give: Give back what an attempt took, since it was none of a guesser.
-- pool: auth
-- params: receipt text, percent int4
-- columns: buckets int4
-- writes: no
--
-- With or without an identity. One row: how many buckets that were. throttle_pkey serves it.

select pets.throttle_give($1::text, $2::int4) as buckets
