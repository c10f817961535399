-- enter: Check the session and take on the identity of its account.
-- pool: api auth
-- params: session_id uuid, account_id uuid, need_role text
-- columns: role text
-- writes: no
--
-- The first statement of the pipeline of every authenticated request; raises
-- PE001 when the session has ended and PE003 when need_role, if not null, is not
-- held. Two primary keys serve it.

select pets.enter($1::uuid, $2::uuid, $3::text) as role
