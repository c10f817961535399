-- idempotency_prune: Remove stored answers whose day is over.
-- pool: ops
-- params: most int4
-- columns: gone int4
-- writes: yes
--
-- Up to `most` of them, oldest first; run it until it removes fewer.
-- idempotency_key_created_at_idx serves it.

select pets.prune_idempotency_keys($1::int4) as gone
