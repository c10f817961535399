-- password_change_failed: Record a change of password that was refused.
-- pool: auth
-- params: own uuid, reason text, request_id text, address inet
-- columns:
-- writes: yes
--
-- After enter.

insert into pets.audit_event
  (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
values ($1::uuid, 'authn_password_change_fail', 'account', $1::uuid, 'failure', $3::text, $4::inet,
        jsonb_build_object('reason', $2::text))
