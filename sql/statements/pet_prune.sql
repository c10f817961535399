-- pet_prune: Remove for good deleted pets whose time is over, and their history.
-- pool: prune
-- params: most int4
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it removes fewer than `most`, oldest first. deleted_pet_gone_at_idx
-- and pet_history_pkey serve it.

select pets.prune_deleted_pets($1::int4) as gone
