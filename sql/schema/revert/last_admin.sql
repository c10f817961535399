-- Revert pets:last_admin from pg

begin;

drop trigger account_keep_admin_update on pets.account;
drop trigger account_keep_admin_delete on pets.account;
drop function pets.keep_admin();
drop index pets.account_admin_idx;

commit;
