-- account_reset_mfa: Take the second factor of an account away, for an operator.
-- pool: ops
-- params: id uuid, mail_id uuid, operator text, reason text
-- columns: removed bool, sessions_ended int8
-- writes: yes
--
-- petsctl runs it, for an account that is there. Recovery codes go with it, and its
-- sessions end: they may have seen the factor. removed is false, and nothing written,
-- when there was none. mail_id is null when nobody is told. totp_pkey, recovery_code_pkey,
-- session_account_id_idx and account_pkey serve it.

with removed as (
  delete from pets.totp
  where account_id = $1::uuid
  returning account_id
),
ended as (
  update pets.session
  set revoked_at = now()
  where account_id = (select account_id from removed)
    and revoked_at is null
    and expires_at > now()
  returning id
),
told as (
  insert into pets.mail_outbox (id, kind, account_id, recipient)
  select $2::uuid, 'second_factor_changed', a.id, a.email
  from removed c
  join pets.account a on a.id = c.account_id
  where $2::uuid is not null
),
audited as (
  insert into pets.audit_event (action, target_type, target_id, outcome, detail)
  select 'user_updated', 'account', account_id, 'success',
         jsonb_build_object('operator', $3::text, 'reason', $4::text, 'second_factor', 'removed',
                            'sessions', (select count(*) from ended))
  from removed
)
select exists (select from removed) as removed, (select count(*) from ended) as sessions_ended
