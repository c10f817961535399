-- second_factor_get: Say whether the caller has a second factor, and how many codes are left.
-- pool: auth
-- params: own uuid
-- columns: enrolled bool, confirmed_at timestamptz, recovery_codes_left int4
-- writes: no
--
-- After enter. Always one row. totp_pkey and recovery_code_pkey serve it.

select t.confirmed_at is not null as enrolled, t.confirmed_at,
       (select count(*)::int4
        from pets.recovery_code r
        where r.account_id = t.account_id
          and r.batch = t.recovery_batch
          and r.used_at is null) as recovery_codes_left
from (values ($1::uuid)) as own (id)
left join pets.totp t on t.account_id = own.id
