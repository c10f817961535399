-- transfer_prune: Remove offers that were over a month ago.
-- pool: ops
-- params: most int4
-- columns: gone int4
-- writes: yes
--
-- Up to `most` of them, oldest first; run it until it removes fewer. transfer_expires_at_idx
-- serves it. What was transferred stays in the history of the pet and in the audit record.

select pets.prune_transfers($1::int4) as gone
