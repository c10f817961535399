-- login_failed: Record a login that failed.
-- pool: auth
-- params: account_id uuid, reason text, request_id text, address inet
-- columns:
-- writes: yes
--
-- Without an identity. account_id is null when the address is nobody's.

insert into pets.audit_event
  (actor_id, action, target_type, target_id, outcome, request_id, address, detail)
values ($1::uuid, 'authn_login_fail', 'account', $1::uuid, 'failure', $3::text, $4::inet,
        jsonb_build_object('reason', $2::text))
