-- idempotency_store: Store the answer to a request that may be repeated.
-- pool: api
-- params: own uuid, key text, fingerprint bytea, route text, status int4, location text, version int4, body text
-- columns: created_at timestamptz
-- writes: yes
--
-- In the transaction of the write, after idempotency_begin, which has the lock and has seen
-- that there is no such key, or one whose day is over: that one is replaced.

insert into pets.idempotency_key as k
  (account_id, key, fingerprint, route, status, location, version, body)
values ($1::uuid, $2::text, $3::bytea, $4::text, $5::int4, $6::text, $7::int4, $8::text)
on conflict (account_id, key) do update
set fingerprint = excluded.fingerprint,
    route = excluded.route,
    status = excluded.status,
    location = excluded.location,
    version = excluded.version,
    body = excluded.body,
    created_at = now()
where k.created_at <= now() - interval '24 hours'
returning k.created_at
