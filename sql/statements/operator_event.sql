-- operator_event: Record what an operator did, or could not do, outside of the database.
-- pool: auth ops
-- params: action text, target_type text, target_id uuid, outcome text, operator text, reason text, subject text, event text
-- columns:
-- writes: yes
--
-- petsctl runs it: for keys and secrets, which are files, with the configuration of
-- the auth pool, for what the database has refused, and for what an operator has
-- looked at (event says what). subject names what has no UUID, such as the kid of a
-- key.

insert into pets.audit_event (action, target_type, target_id, outcome, detail)
values ($1::text, $2::text, $3::uuid, $4::text,
        jsonb_strip_nulls(jsonb_build_object(
          'operator', $5::text, 'reason', $6::text, 'subject', $7::text,
          'event', $8::text)))
