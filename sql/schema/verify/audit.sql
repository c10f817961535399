-- Verify pets:audit on pg

begin;

select id, at, actor_id, action, target_type, target_id, outcome, request_id, address, detail, api_key_id
from pets.audit_event where false;

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'pets.audit_event'::regclass
      and tgname = 'audit_event_append_only' and tgenabled = 'A'
  ) then
    raise exception 'audit_event has lost its trigger';
  end if;
  if to_regprocedure('pets.audit_pet_read(uuid,uuid,text,inet)') is null then
    raise exception 'function audit_pet_read is missing';
  end if;
  begin
    update pets.audit_event set action = action where false;
    raise exception 'audit_event can be updated' using errcode = 'PE999';
  exception when insufficient_privilege then
    null;
  end;
end
$$;

rollback;
