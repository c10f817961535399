-- Revert pets:policies from pg

begin;

do $$
declare
  policy record;
begin
  for policy in
    select polname, polrelid::regclass as target from pg_catalog.pg_policy
    where polrelid in (select oid from pg_catalog.pg_class
                       where relnamespace = 'pets'::regnamespace)
  loop
    execute format('drop policy %I on %s', policy.polname, policy.target);
  end loop;
end
$$;

alter table pets.account no force row level security, disable row level security;
alter table pets.credential no force row level security, disable row level security;
alter table pets.session no force row level security, disable row level security;
alter table pets.pet no force row level security, disable row level security;
alter table pets.pet_history no force row level security, disable row level security;
alter table pets.audit_event no force row level security, disable row level security;

commit;
