/*
 * login_factor.c: whoever has given the password gives a one-time code, or a recovery code, and
 * gets the session. A try is taken from the waiting login before the code is looked at, and the
 * code is taken by whoever changes its row first: both are exact however many come at once.
 */
#include "api/login_factor.h"

#include "api/login.h"
#include "api/service.h"
#include "api/throttle.h"
#include "auth/challenge.h"
#include "auth/recovery.h"
#include "base/log.h"

enum { F_TOKEN, F_CODE, F_RECOVERY };

const struct field login_factor_fields[login_factor_fields_count] = {
    [F_TOKEN] = {"mfa_token", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 256},
    [F_CODE] = {"code", FIELD_SECRET, FIELD_WRITE_ONLY, 1, 64},
    [F_RECOVERY] = {"recovery_code", FIELD_SECRET, FIELD_WRITE_ONLY, 1, 64},
};

/* Columns of login_challenge_try; service_check_code reads those from COLUMN_SECRET on. */
enum { COLUMN_ACCOUNT, COLUMN_SECRET };

/* And the other one of those that accept. */
enum { COLUMN_GENERATION = 1 };

struct second_step {
    struct challenge challenge;
    struct grant grant;
    bool known; /* whose login it is */
    enum { TRYING, ACCEPTING, OPENING, FAILED } state;
    const char *reason; /* FAILED: for the record */
    enum err err;       /* FAILED: the answer */
};

enum err login_factor_ask(struct exchange *exchange)
{
    const struct text *token = &exchange->values[F_TOKEN].text;
    struct second_step *second = arena_zalloc(exchange->arena, sizeof *second);
    enum err err = service_one_given(exchange, F_CODE, F_RECOVERY, "code and recovery_code");
    struct query *query;

    if (err != ERR_NONE)
        return err;
    if (!challenge_parse(&second->challenge, token->bytes, token->length)) {
        service_token_refused(exchange, "mfa_token");
        return ERR_MFA_TOKEN_INVALID;
    }
    exchange->memory = second;
    query = exchange_query(exchange, STATEMENT_LOGIN_CHALLENGE_TRY);
    query_bytes(query, second->challenge.hash, sizeof second->challenge.hash);
    query_bool(query, exchange->values[F_CODE].given);
    throttle_bind(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

/* The failure is recorded, then told. */
static enum err fail(
    struct exchange *exchange, struct second_step *second, enum err err, const char *reason)
{
    second->state = FAILED;
    second->err = err;
    return service_record_failure(exchange, second->known ? &second->grant.account : NULL, reason);
}

static enum err accept_code(struct exchange *exchange, struct second_step *second)
{
    struct factor_accepted accepted;
    const char *reason;
    struct query *query;
    enum err err = service_check_code(exchange, &second->grant.account, COLUMN_SECRET,
        &exchange->values[F_CODE].text, &accepted, &reason);

    if (err != ERR_NONE)
        return reason == NULL ? err : fail(exchange, second, err, reason);
    second->state = ACCEPTING;
    query = exchange_query(exchange, STATEMENT_LOGIN_CHALLENGE_CODE);
    query_bytes(query, second->challenge.hash, sizeof second->challenge.hash);
    service_bind_accepted(exchange, query, &accepted);
    throttle_bind(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

static enum err accept_recovery(struct exchange *exchange, struct second_step *second)
{
    const struct text *code = &exchange->values[F_RECOVERY].text;
    uint8_t *hash = arena_alloc(exchange->arena, RECOVERY_HASH_SIZE);
    struct query *query;

    if (recovery_hash(&second->grant.account, code->bytes, code->length, hash) != 0)
        return fail(exchange, second, ERR_INVALID_CODE, "wrong_recovery_code");
    second->state = ACCEPTING;
    query = exchange_query(exchange, STATEMENT_LOGIN_CHALLENGE_RECOVERY);
    query_bytes(query, second->challenge.hash, sizeof second->challenge.hash);
    query_bytes(query, hash, RECOVERY_HASH_SIZE);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

static enum err tried(struct exchange *exchange, struct second_step *second)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows->count != 1)
        return fail(exchange, second, ERR_MFA_TOKEN_INVALID, "mfa_token_invalid");
    second->grant.account = *rows_uuid(rows, 0, COLUMN_ACCOUNT);
    second->known = true;
    return exchange->values[F_CODE].given ? accept_code(exchange, second)
                                          : accept_recovery(exchange, second);
}

/* No row: somebody else was faster with this code, or it is no recovery code of the account. */
static enum err accepted(struct exchange *exchange, struct second_step *second)
{
    bool by_code = exchange->values[F_CODE].given;

    if (exchange->query.rows.count != 1)
        return fail(
            exchange, second, ERR_INVALID_CODE, by_code ? "used_code" : "wrong_recovery_code");
    second->state = OPENING;
    if (!by_code)
        service_log_user_updated(exchange, &second->grant.account, "recovery_codes", "used");
    return login_open_session(exchange, &second->grant,
        rows_int4(&exchange->query.rows, 0, COLUMN_GENERATION), true, NULL);
}

/* No row: the login was begun with a password that has been changed, or the account disabled. */
static enum err opened(struct exchange *exchange, struct second_step *second)
{
    if (exchange->query.rows.count != 1)
        return fail(exchange, second, ERR_MFA_TOKEN_INVALID, "credential_changed");
    return login_session_opened(exchange, &second->grant);
}

enum err login_factor_next(struct exchange *exchange)
{
    struct second_step *second = exchange->memory;

    switch (second->state) {
    case TRYING:
        return tried(exchange, second);
    case ACCEPTING:
        return accepted(exchange, second);
    case OPENING:
        return opened(exchange, second);
    default:
        return second->err;
    }
}
