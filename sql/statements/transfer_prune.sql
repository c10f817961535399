-- transfer_prune: Remove offers that were over a month ago.
-- pool: prune
-- params: most int4
-- columns: gone int4
-- writes: yes
--
-- petsctl database prune runs it until it removes fewer than `most`, oldest first. transfer_expires_at_idx
-- serves it. What was transferred stays in the history of the pet and in the audit record.

select pets.prune_transfers($1::int4) as gone
