# Every statement; a test checks that none is missing.
STATEMENTS = \
	sql/statements/account_add.sql \
	sql/statements/account_me.sql \
	sql/statements/account_register.sql \
	sql/statements/api_key_create.sql \
	sql/statements/api_key_list.sql \
	sql/statements/api_key_revoke.sql \
	sql/statements/credential_own.sql \
	sql/statements/enter.sql \
	sql/statements/enter_key.sql \
	sql/statements/login_failed.sql \
	sql/statements/login_lookup.sql \
	sql/statements/mail_claim.sql \
	sql/statements/mail_expire.sql \
	sql/statements/mail_failed.sql \
	sql/statements/mail_sent.sql \
	sql/statements/password_change.sql \
	sql/statements/password_change_failed.sql \
	sql/statements/pet_create.sql \
	sql/statements/pet_delete.sql \
	sql/statements/pet_get.sql \
	sql/statements/pet_history.sql \
	sql/statements/pet_list.sql \
	sql/statements/pet_update.sql \
	sql/statements/ready.sql \
	sql/statements/session_close.sql \
	sql/statements/session_list.sql \
	sql/statements/session_open.sql \
	sql/statements/session_refresh.sql \
	sql/statements/throttle_give.sql \
	sql/statements/throttle_take.sql \
	sql/statements/users_change.sql \
	sql/statements/users_get.sql \
	sql/statements/users_page.sql \
	sql/statements/users_revoke.sql
