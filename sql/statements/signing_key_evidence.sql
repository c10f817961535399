-- signing_key_evidence: Find out whether and when access tokens are signed with a key.
-- pool: auth
-- params: kid text
-- columns: signed_at timestamptz, connections int4
-- writes: no
--
-- petsctl runs it with the configuration and the role of the auth pool, since a role sees
-- what its own connections say of themselves: a worker that signs says with which key,
-- and one without a connection signs nothing. One row; signed_at is null when nothing was
-- ever signed with it, and exact to ten seconds. signing_key_pkey serves it.

select pets.signing_key_used($1::text) as signed_at,
       (select count(*)::int4
        from pg_catalog.pg_stat_activity
        where datname = current_database()
          and usename = current_user
          and application_name = 'pets-api/auth ' || $1::text) as connections
