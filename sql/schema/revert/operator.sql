-- Revert pets:operator from pg

begin;

drop policy ops_select on pets.account;
drop policy ops_update on pets.account;
drop policy ops_select on pets.session;
drop policy ops_update on pets.session;
drop policy ops_select on pets.api_key;
drop policy ops_update on pets.api_key;

revoke select (id, email, email_key, display_name, role, state, created_at, updated_at, version),
       update (role, state, updated_at, version)
on pets.account from pets_ops;

revoke select (id, account_id, created_at, refreshed_at, expires_at, ends_at, revoked_at, mfa, address,
              user_agent),
       update (revoked_at)
on pets.session from pets_ops;

revoke select (id, account_id, expires_at, revoked_at), update (revoked_at)
on pets.api_key from pets_ops;

drop function pets.throttle_forget(uuid, inet, integer, integer);
drop policy ops_insert on pets.reset_link;
drop policy ops_select on pets.totp;
drop policy ops_update on pets.totp;
drop policy ops_delete on pets.totp;
drop policy ops_insert on pets.mail_outbox;

revoke insert (id, link_hash, account_id, expires_at) on pets.reset_link from pets_ops;
revoke select (account_id, tries), update (tries), delete on pets.totp from pets_ops;
revoke insert (id, kind, account_id, recipient) on pets.mail_outbox from pets_ops;

commit;
