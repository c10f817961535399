-- Deploy pets:trace to pg
--
-- The trace that a request is part of (W3C Trace Context) stands in its audit events: like
-- the API key, it is taken from a setting, and nobody writes it. Null when the request came
-- without one. A default that is stable costs no rewrite of the table.

begin;

set local role pets_owner;

alter table pets.audit_event
  add column trace_id text default nullif(current_setting('pets.trace_id', true), ''),
  add constraint audit_event_trace_id_form check (trace_id ~ '^[0-9a-f]{32}$');

commit;
