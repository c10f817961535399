/*
 * service_factor.c: what logging in, enrolling and stepping up have in common: a code is checked
 * against the secret that a statement has given together with the try, and what fails is recorded.
 */
#include "api/service.h"

#include "base/log.h"
#include "base/timestamp.h"

enum err service_one_given(struct exchange *exchange, int first, int last, const char *names)
{
    int given = 0;

    for (int i = first; i <= last; i++)
        given += exchange->values[i].given;
    if (given == 1)
        return ERR_NONE;
    violation_add(&exchange->violations, "", NULL, given == 0 ? "required" : "too_many",
        arena_format(exchange->arena, "Give exactly one of %s.", names));
    return ERR_VALIDATION_FAILED;
}

enum err service_wrong_code(struct exchange *exchange, const char *pointer)
{
    violation_add(&exchange->violations, pointer, NULL, "wrong",
        "This code is not, or no longer, good: each is good once.");
    return ERR_VALIDATION_FAILED;
}

static enum err unreadable(
    struct exchange *exchange, const struct uuid *account, enum factor_result result)
{
    char text[UUID_SIZE];

    uuid_format(account, text);
    log_event(LEVEL_ERROR, "crypt_decrypt_fail", log_request(&exchange->request),
        log_str("account_id", text),
        log_str("reason", result == FACTOR_UNKNOWN_KEY ? "unknown_key" : "broken"));
    return ERR_INTERNAL;
}

/* Columns of a try, behind `column`. */
enum { COLUMN_SECRET, COLUMN_KEY_ID, COLUMN_LAST_STEP, COLUMN_WAIT };

static struct factor factor_of(const struct rows *rows, int column, const struct uuid *account)
{
    struct factor factor = {.account = account};

    factor.key_id = rows_text(rows, 0, column + COLUMN_KEY_ID, &factor.key_id_length);
    factor.sealed = rows_bytes(rows, 0, column + COLUMN_SECRET, &factor.sealed_length);
    factor.last_step = rows_int8(rows, 0, column + COLUMN_LAST_STEP);
    return factor;
}

enum err service_check_code(struct exchange *exchange, const struct uuid *account, int column,
    const struct text *code, struct factor_accepted *accepted, const char **reason)
{
    const struct rows *rows = &exchange->query.rows;
    enum factor_result result;
    struct factor factor;

    *reason = NULL;
    if (!rows_null(rows, 0, column + COLUMN_WAIT)) {
        *reason = "too_many_tries";
        exchange->reply.retry_after = rows_int4(rows, 0, column + COLUMN_WAIT);
        return ERR_RATE_LIMITED;
    }
    if (rows_null(rows, 0, column + COLUMN_SECRET)) {
        *reason = "no_second_factor";
        return ERR_INVALID_CODE;
    }
    factor = factor_of(rows, column, account);
    result = factor_check(service_of(exchange)->seal, &factor, code->bytes, code->length,
        timestamp_epoch_s(timestamp_now()), accepted);
    switch (result) {
    case FACTOR_GOOD:
        return ERR_NONE;
    case FACTOR_WRONG:
    case FACTOR_USED:
        *reason = result == FACTOR_WRONG ? "wrong_code" : "used_code";
        return ERR_INVALID_CODE;
    default:
        return unreadable(exchange, account, result);
    }
}

void service_bind_accepted(
    struct exchange *exchange, struct query *query, const struct factor_accepted *accepted)
{
    query_int8(query, accepted->step);
    if (accepted->resealed) {
        query_bytes(query, arena_copy(exchange->arena, accepted->sealed, sizeof accepted->sealed),
            sizeof accepted->sealed);
        query_string(query, seal_key_id(service_of(exchange)->seal));
    } else {
        query_null(query);
        query_null(query);
    }
}

enum err service_record_failure(
    struct exchange *exchange, const struct uuid *account, const char *reason)
{
    struct query *query = exchange_query(exchange, STATEMENT_LOGIN_FAILED);
    char text[UUID_SIZE];

    if (account != NULL)
        uuid_format(account, text);
    query_uuid(query, account);
    query_string(query, reason);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    slot_count(service_of(exchange)->slot, COUNTER_LOGINS_FAILED);
    log_event(LEVEL_WARNING, "authn_login_fail", log_request(&exchange->request),
        log_str("account_id", account == NULL ? NULL : text), log_str("reason", reason),
        log_str("address", exchange->request.address));
    return ERR_NONE;
}

void service_log_user_updated(
    struct exchange *exchange, const struct uuid *account, const char *what, const char *how)
{
    char text[UUID_SIZE];

    uuid_format(account, text);
    log_event(LEVEL_INFO, "user_updated", log_request(&exchange->request),
        log_str("account_id", text), log_str(what, how));
}
