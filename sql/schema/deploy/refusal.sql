-- Deploy pets:refusal to pg
--
-- A request that enter() refuses leaves nothing behind, as its transaction ends with
-- it; so the refusal is recorded afterwards, in one of its own, and by a function,
-- since nobody has an identity then. It believes no pool: the session or the key must
-- be that account's, live or not, or nothing is recorded. So the record never says of
-- somebody what was done with a forged id, and a pool can add failures only.

begin;

set local role pets_owner;

create function pets.audit_refusal(
  account_id uuid, session_id uuid, key_hash bytea, reason text, route text, target_type text,
  target_id uuid, request_id text, address inet)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  ended constant boolean := audit_refusal.reason = 'session_ended';
begin
  if audit_refusal.key_hash is null then
    perform from pets.session s
    where s.id = audit_refusal.session_id
      and s.account_id = audit_refusal.account_id;
  else
    perform from pets.api_key k
    where k.id = audit_refusal.session_id
      and k.account_id = audit_refusal.account_id
      and k.key_hash = audit_refusal.key_hash;
  end if;
  if not found then
    return false;
  end if;
  insert into pets.audit_event
    (actor_id, action, target_type, target_id, outcome, request_id, address, detail, api_key_id)
  values
    (audit_refusal.account_id,
     case when ended then 'session_use_after_expire' else 'authz_fail' end,
     case when ended then 'session' else audit_refusal.target_type end,
     case when ended then audit_refusal.session_id else audit_refusal.target_id end,
     'failure', audit_refusal.request_id, audit_refusal.address,
     jsonb_build_object('reason', audit_refusal.reason, 'route', audit_refusal.route),
     case when audit_refusal.key_hash is not null then audit_refusal.session_id end);
  return true;
end
$$;

revoke all on function pets.audit_refusal(
  uuid, uuid, bytea, text, text, text, uuid, text, inet) from public;
grant execute on function pets.audit_refusal(
  uuid, uuid, bytea, text, text, text, uuid, text, inet) to pets_api, pets_auth;

commit;
