-- idempotency_prune: Remove stored answers whose day is over.
-- pool: prune
-- params: most int4
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it removes fewer than `most`, oldest first.
-- idempotency_key_created_at_idx serves it.

select pets.prune_idempotency_keys($1::int4) as gone
