-- enter: Check the session and take on the identity of its account.
-- pool: api auth
-- params: session_id uuid, account_id uuid, need_role text, need_mfa bool, max_age_s int4, application text, trace text
-- columns: role text
-- writes: no
--
-- The first statement of the pipeline of every authenticated request; raises
-- PE001 when the session has ended, PE003 when need_role, if not null, is not
-- held, PE004 when it is held but needs the second factor, and PE005 when the
-- person has proved who it is longer than max_age_s ago. Two primary keys serve it.
-- For as long as the transaction takes, application is the name of the connection in
-- pg_stat_activity, and trace the one that the audit record takes; null: neither is set.

select pets.enter($1::uuid, $2::uuid, $3::text, $4::bool, $5::int4) as role
where ($6::text is null or set_config('application_name', $6::text, true) is not null)
  and ($7::text is null or set_config('pets.trace_id', $7::text, true) is not null)
