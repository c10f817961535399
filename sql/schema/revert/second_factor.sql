-- Revert pets:second_factor from pg

begin;

drop table pets.login_challenge;
drop table pets.recovery_code;
drop table pets.totp;

commit;
