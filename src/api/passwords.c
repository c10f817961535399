/*
 * passwords.c: who changes a password proves that it knows the current one. The session in which it
 * is done stays, all others end: whoever has the old password, or a session that it opened, is out.
 * API keys stay, unless it is wanted otherwise: they are passwords of their own, of machines.
 */
#include "api/passwords.h"

#include "api/service.h"
#include "api/throttle.h"
#include "base/log.h"

enum { F_CURRENT, F_NEW, F_KEYS };

const struct field passwords_fields[passwords_fields_count] = {
    [F_CURRENT] = {"current_password", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1,
        PASSWORD_MAX},
    [F_NEW] = PASSWORD_NEW_FIELD("new_password"),
    [F_KEYS] = SERVICE_KEYS_FIELD("keep"),
};

/* Columns of credential_own; from the address on what service_check_password wants. */
enum { COLUMN_HASH, COLUMN_PEPPER, COLUMN_EMAIL, COLUMN_GENERATION = 5, COLUMN_THROTTLE };

struct change {
    struct hash_job job;
    struct text receipt; /* of what the attempt took */
    int32_t generation;  /* of the current password */
    bool refused;
};

enum err passwords_change(struct exchange *exchange)
{
    struct change *change = arena_zalloc(exchange->arena, sizeof *change);
    enum err err = service_reserve(exchange, &change->job);
    struct query *query;

    if (err != ERR_NONE)
        return err;
    exchange->memory = change;
    query = exchange_query(exchange, STATEMENT_CREDENTIAL_OWN);
    query_uuid(query, &exchange->principal.account);
    throttle_bind(exchange, query, THROTTLE_PASSWORD);
    return ERR_NONE;
}

static enum err check_current(struct exchange *exchange, struct change *change)
{
    const struct text *current = &exchange->values[F_CURRENT].text;
    const struct rows *rows = &exchange->query.rows;
    enum err err = throttle_judge(exchange, THROTTLE_PASSWORD, COLUMN_THROTTLE, &change->receipt);

    if (err == ERR_NONE)
        err = service_check_password(
            exchange, &exchange->values[F_NEW].text, COLUMN_EMAIL, "/new_password");
    if (err != ERR_NONE)
        return err;
    hash_job_init(&change->job, HASH_VERIFY, current->bytes, current->length);
    service_expect(service_of(exchange), &change->job, rows, COLUMN_HASH);
    change->generation = rows_int4(rows, 0, COLUMN_GENERATION);
    return service_hash(exchange, &change->job);
}

/* The current password was wrong: it is recorded, then told. */
static enum err refuse(struct exchange *exchange, struct change *change)
{
    struct query *query = exchange_query(exchange, STATEMENT_PASSWORD_CHANGE_FAILED);
    char account[UUID_SIZE];

    change->refused = true;
    query_uuid(query, &exchange->principal.account);
    query_string(query, "wrong_password");
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    uuid_format(&exchange->principal.account, account);
    log_event(LEVEL_WARNING, "authn_password_change_fail", log_request(&exchange->request),
        log_str("account_id", account), log_str("reason", "wrong_password"),
        log_str("address", exchange->request.address));
    return ERR_NONE;
}

static enum err hash_new(struct exchange *exchange, struct change *change)
{
    const struct text *password = &exchange->values[F_NEW].text;

    if (!change->job.matched)
        return refuse(exchange, change);
    hash_job_init(&change->job, HASH_MAKE, password->bytes, password->length);
    return service_hash(exchange, &change->job);
}

static enum err store_new(struct exchange *exchange, const struct change *change)
{
    struct query *query;

    if (change->job.failed)
        return ERR_INTERNAL;
    query = exchange_query(exchange, STATEMENT_PASSWORD_CHANGE);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &exchange->principal.session);
    query_int4(query, change->generation);
    query_string(query, change->job.hash);
    query_string(query, pepper_id(service_of(exchange)->pepper));
    service_bind_mail(exchange, query);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    throttle_bind_give(exchange, query, &change->receipt);
    query_bool(query, service_revokes_keys(&exchange->values[F_KEYS]));
    return ERR_NONE;
}

static enum err wrong_password(struct exchange *exchange)
{
    violation_add(
        &exchange->violations, "/current_password", NULL, "wrong", "This is not the password.");
    return ERR_VALIDATION_FAILED;
}

/* No row: it is another password by now. */
static enum err changed(struct exchange *exchange, struct change *change)
{
    char account[UUID_SIZE];

    if (exchange->query.rows.count != 1)
        return refuse(exchange, change);
    uuid_format(&exchange->principal.account, account);
    log_event(LEVEL_INFO, "authn_password_change", log_request(&exchange->request),
        log_str("account_id", account));
    exchange->reply.status = 204;
    return ERR_NONE;
}

enum err passwords_change_next(struct exchange *exchange)
{
    struct change *change = exchange->memory;

    if (change->refused)
        return wrong_password(exchange);
    switch (exchange->step) {
    case 1:
        return check_current(exchange, change);
    case 2:
        return hash_new(exchange, change);
    case 3:
        return store_new(exchange, change);
    default:
        return changed(exchange, change);
    }
}
