-- ready: Say that the database answers, and which schema it holds.
-- pool: api auth
-- params:
-- columns: schema_version int4
-- writes: no
--
-- The ops worker runs it, without an identity. The table has one row.

select version as schema_version
from pets.schema_version
