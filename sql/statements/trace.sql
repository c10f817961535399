-- trace: Say which trace the transaction is part of.
-- pool: api auth
-- params: trace text
-- columns: trace text
-- writes: no
--
-- In the place of enter, where nobody is known yet, and only for a request that came with
-- a traceparent. The audit record takes it from the setting, which ends with the transaction.

select set_config('pets.trace_id', $1::text, true) as trace
