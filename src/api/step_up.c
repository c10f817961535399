/*
 * step_up.c: what is sensitive wants a proof of identity that is minutes old, not days. It is given
 * again here, with the password or, by whoever has a second factor, with a code of it. The session
 * and its tokens stay what they are: the database knows when it was.
 */
#include "api/step_up.h"

#include "api/service.h"
#include "api/throttle.h"
#include "auth/recovery.h"
#include "base/log.h"

enum { F_PASSWORD, F_CODE, F_RECOVERY };

const struct field step_up_fields[step_up_fields_count] = {
    [F_PASSWORD] = {"password", FIELD_SECRET, FIELD_WRITE_ONLY, 1, PASSWORD_MAX},
    [F_CODE] = {"code", FIELD_SECRET, FIELD_WRITE_ONLY, 1, 64},
    [F_RECOVERY] = {"recovery_code", FIELD_SECRET, FIELD_WRITE_ONLY, 1, 64},
};

/* Columns of credential_own. */
enum { COLUMN_HASH, COLUMN_SECOND_FACTOR = 4, COLUMN_GENERATION, COLUMN_THROTTLE };

struct step_up {
    struct hash_job job;
    struct text receipt; /* of what a try of the password took */
    int32_t generation;  /* of the password that is checked */
    enum { LOOKING, HASHING, PROVING, FAILED } state;
    enum err err; /* FAILED: the answer */
};

static enum err refuse(
    struct exchange *exchange, const char *pointer, const char *code, const char *detail)
{
    violation_add(&exchange->violations, pointer, NULL, code, detail);
    return ERR_VALIDATION_FAILED;
}

static enum err refuse_given(struct exchange *exchange)
{
    const struct value *values = exchange->values;

    if (values[F_PASSWORD].given)
        return refuse(exchange, "/password", "wrong", "This is not the password.");
    return service_wrong_code(exchange, values[F_CODE].given ? "/code" : "/recovery_code");
}

/* The failure is recorded, then told. */
static enum err fail(
    struct exchange *exchange, struct step_up *step_up, enum err err, const char *reason)
{
    step_up->state = FAILED;
    step_up->err = err;
    return service_record_failure(exchange, &exchange->principal.account, reason);
}

static struct query *prove(
    struct exchange *exchange, struct step_up *step_up, enum statement_id statement)
{
    struct query *query = exchange_query(exchange, statement);

    step_up->state = PROVING;
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &exchange->principal.session);
    return query;
}

static void bind_request(struct exchange *exchange, struct query *query)
{
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
}

static enum err prove_by_recovery(struct exchange *exchange, struct step_up *step_up)
{
    const struct text *code = &exchange->values[F_RECOVERY].text;
    uint8_t *hash = arena_alloc(exchange->arena, RECOVERY_HASH_SIZE);
    struct query *query;

    if (recovery_hash(&exchange->principal.account, code->bytes, code->length, hash) != 0)
        return fail(exchange, step_up, refuse_given(exchange), "wrong_recovery_code");
    query = prove(exchange, step_up, STATEMENT_STEP_UP_RECOVERY);
    query_bytes(query, hash, RECOVERY_HASH_SIZE);
    bind_request(exchange, query);
    return ERR_NONE;
}

static enum err ask_password(struct exchange *exchange, struct step_up *step_up)
{
    enum err err = service_reserve(exchange, &step_up->job);
    struct query *query;

    if (err != ERR_NONE)
        return err;
    query = exchange_query(exchange, STATEMENT_CREDENTIAL_OWN);
    query_uuid(query, &exchange->principal.account);
    throttle_bind(exchange, query, THROTTLE_PASSWORD);
    return ERR_NONE;
}

enum err step_up_ask(struct exchange *exchange)
{
    const struct value *values = exchange->values;
    struct step_up *step_up = arena_zalloc(exchange->arena, sizeof *step_up);
    enum err err =
        service_one_given(exchange, F_PASSWORD, F_RECOVERY, "password, code and recovery_code");
    struct query *query;

    if (err != ERR_NONE)
        return err;
    exchange->memory = step_up;
    if (values[F_RECOVERY].given)
        return prove_by_recovery(exchange, step_up);
    if (!values[F_CODE].given)
        return ask_password(exchange, step_up);
    query = exchange_query(exchange, STATEMENT_TOTP_TRY);
    query_uuid(query, &exchange->principal.account);
    query_bool(query, true);
    throttle_bind(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

static enum err prove_by_code(struct exchange *exchange, struct step_up *step_up)
{
    struct factor_accepted accepted;
    const char *reason;
    struct query *query;
    enum err err;

    if (exchange->query.rows.count != 1)
        return refuse(exchange, "/code", "not_allowed", "No second factor is enrolled.");
    err = service_check_code(exchange, &exchange->principal.account, 0,
        &exchange->values[F_CODE].text, &accepted, &reason);
    if (reason != NULL)
        return fail(
            exchange, step_up, err == ERR_INVALID_CODE ? refuse_given(exchange) : err, reason);
    if (err != ERR_NONE)
        return err;
    query = prove(exchange, step_up, STATEMENT_STEP_UP_CODE);
    service_bind_accepted(exchange, query, &accepted);
    bind_request(exchange, query);
    throttle_bind_limits(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

static enum err check_password(struct exchange *exchange, struct step_up *step_up)
{
    const struct text *password = &exchange->values[F_PASSWORD].text;
    const struct rows *rows = &exchange->query.rows;
    enum err err = throttle_judge(exchange, THROTTLE_PASSWORD, COLUMN_THROTTLE, &step_up->receipt);

    if (err != ERR_NONE)
        return err;
    if (rows_bool(rows, 0, COLUMN_SECOND_FACTOR))
        return refuse(exchange, "/code", "required",
            "This account has a second factor: give a code of it, or a recovery code.");
    step_up->state = HASHING;
    step_up->generation = rows_int4(rows, 0, COLUMN_GENERATION);
    hash_job_init(&step_up->job, HASH_VERIFY, password->bytes, password->length);
    service_expect(service_of(exchange), &step_up->job, rows, COLUMN_HASH);
    return service_hash(exchange, &step_up->job);
}

static enum err prove_by_password(struct exchange *exchange, struct step_up *step_up)
{
    struct query *query;

    if (!step_up->job.matched)
        return fail(exchange, step_up, refuse_given(exchange), "wrong_password");
    query = prove(exchange, step_up, STATEMENT_STEP_UP_PASSWORD);
    query_int4(query, step_up->generation);
    bind_request(exchange, query);
    throttle_bind_give(exchange, query, &step_up->receipt);
    return ERR_NONE;
}

/* No row: somebody else was faster with this code, or the account has changed meanwhile. */
static enum err proved(struct exchange *exchange, struct step_up *step_up)
{
    const struct value *values = exchange->values;
    char account[UUID_SIZE], session[UUID_SIZE];

    if (exchange->query.rows.count != 1)
        return fail(exchange, step_up, refuse_given(exchange),
            values[F_PASSWORD].given ? "wrong_password"
            : values[F_CODE].given   ? "used_code"
                                     : "wrong_recovery_code");
    uuid_format(&exchange->principal.account, account);
    uuid_format(&exchange->principal.session, session);
    log_event(LEVEL_INFO, "authn_login_success", log_request(&exchange->request),
        log_str("account_id", account), log_str("session_id", session),
        log_str("step_up", values[F_PASSWORD].given ? "password"
                           : values[F_CODE].given   ? "code"
                                                    : "recovery_code"));
    exchange->reply.status = 204;
    return ERR_NONE;
}

enum err step_up_next(struct exchange *exchange)
{
    struct step_up *step_up = exchange->memory;

    switch (step_up->state) {
    case LOOKING:
        return exchange->values[F_CODE].given ? prove_by_code(exchange, step_up)
                                              : check_password(exchange, step_up);
    case HASHING:
        return prove_by_password(exchange, step_up);
    case PROVING:
        return proved(exchange, step_up);
    default:
        return step_up->err;
    }
}
