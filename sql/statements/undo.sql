-- undo: Fail, and so undo the transaction.
-- pool: api
-- params:
-- columns: undone bool
-- writes: no
--
-- For a transaction that is still open when nobody waits for it any more. Raises PE012.

select pets.undo() is null as undone
