-- Verify pets:mail on pg

begin;

select id, kind, account_id, recipient, link_id, address, created_at, not_before, expires_at,
       attempts, last_error, sent_at, failed_at
from pets.mail_outbox where false;

do $$
begin
  if (select count(*) from pg_catalog.pg_constraint
      where conname in ('mail_outbox_kind_known', 'mail_outbox_emptied', 'mail_outbox_one_end')
        and connamespace = 'pets'::regnamespace) <> 3 then
    raise exception 'a constraint of mail_outbox is missing';
  end if;
  if to_regclass('pets.mail_outbox_due_idx') is null then
    raise exception 'index mail_outbox_due_idx is missing';
  end if;
  if has_any_column_privilege('pets_auth', 'pets.mail_outbox', 'select, update')
     or has_any_column_privilege('pets_api', 'pets.mail_outbox', 'select, insert, update')
     or has_any_column_privilege('pets_mail', 'pets.mail_outbox', 'insert') then
    raise exception 'somebody may do too much to mail_outbox';
  end if;
  if exists (
    select from pg_catalog.pg_class c
    where c.relnamespace = 'pets'::regnamespace and c.relkind = 'r' and c.relname <> 'mail_outbox'
      and has_any_column_privilege('pets_mail', c.oid, 'select, insert, update, references')
  ) then
    raise exception 'pets_mail may do something to another table';
  end if;
end
$$;

rollback;
