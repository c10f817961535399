/*
 * second_factor.c: a second factor begins with a secret, which is shown once, and is in force when
 * the first code of it has come back: nobody locks himself out with a device that does not work.
 * Recovery codes are shown once, too; what is kept of them cannot be shown again.
 */
#include "api/second_factor.h"

#include "api/service.h"
#include "api/throttle.h"
#include "auth/recovery.h"

enum { F_CODE };

const struct field second_factor_fields[second_factor_fields_count] = {
    [F_CODE] = {"code", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 64},
};

static const char none_waits[] = "No second factor waits to be confirmed.";
static const char none_enrolled[] = "No second factor is enrolled.";

/* --- state --- */

/* In the order of the columns of second_factor_get. */
static const struct field state_fields[] = {
    {"enrolled", FIELD_BOOLEAN, FIELD_READ_ONLY},
    {"confirmed_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"recovery_codes_left", FIELD_INTEGER, FIELD_READ_ONLY},
};

enum err second_factor_get(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_SECOND_FACTOR_GET);

    query_uuid(query, &exchange->principal.account);
    return ERR_NONE;
}

enum err second_factor_got(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows->count != 1)
        return ERR_INTERNAL;
    fields_render(state_fields, countof(state_fields), rows, 0, 0, &exchange->reply.json);
    return ERR_NONE;
}

/* --- enrolling --- */

struct enrolment {
    uint8_t sealed[FACTOR_SEALED_SIZE];
    char text[TOTP_TEXT_LENGTH + 1];
};

enum err second_factor_enrol(struct exchange *exchange)
{
    const struct seal *seal = service_of(exchange)->seal;
    struct enrolment *enrolment = arena_zalloc(exchange->arena, sizeof *enrolment);
    struct query *query;

    if (factor_make(seal, &exchange->principal.account, enrolment->sealed, enrolment->text) != 0)
        return ERR_INTERNAL;
    exchange->memory = enrolment;
    query = exchange_query(exchange, STATEMENT_TOTP_ENROL);
    query_uuid(query, &exchange->principal.account);
    query_bytes(query, enrolment->sealed, sizeof enrolment->sealed);
    query_string(query, seal_key_id(seal));
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err second_factor_enrolled(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct enrolment *enrolment = exchange->memory;
    struct json_out *json = &exchange->reply.json;
    const char *email;
    size_t length;
    struct buf uri;

    if (rows->count != 1)
        return ERR_SECOND_FACTOR_ENROLLED;
    email = rows_text(rows, 0, 0, &length);
    buf_init(&uri, exchange->arena, 256);
    totp_uri(&uri, service_of(exchange)->config->mfa.issuer,
        arena_copy(exchange->arena, email, length), enrolment->text);
    exchange->reply.status = 201;
    exchange->reply.location = "/v1/me/second-factor";
    json_open_object(json);
    json_key(json, "secret");
    json_put_string(json, enrolment->text);
    json_key(json, "uri");
    json_put_string(json, uri.data);
    json_close_object(json);
    service_log_user_updated(exchange, &exchange->principal.account, "second_factor", "begun");
    return ERR_NONE;
}

/* --- recovery codes --- */

struct codes {
    char texts[RECOVERY_CODES][RECOVERY_CODE_LENGTH + 1];
    uint8_t hashes[RECOVERY_CODES][RECOVERY_HASH_SIZE];
};

/* Ten new ones; NULL when a library fails. */
static struct codes *make_codes(struct exchange *exchange)
{
    struct codes *codes = arena_alloc(exchange->arena, sizeof *codes);

    for (size_t i = 0; i < RECOVERY_CODES; i++) {
        recovery_code(codes->texts[i]);
        if (recovery_hash(&exchange->principal.account, codes->texts[i], RECOVERY_CODE_LENGTH,
                codes->hashes[i]) != 0)
            return NULL;
    }
    return codes;
}

static void bind_hashes(struct query *query, const struct codes *codes)
{
    struct text hashes[RECOVERY_CODES];

    for (size_t i = 0; i < RECOVERY_CODES; i++)
        hashes[i] = (struct text){(const char *)codes->hashes[i], RECOVERY_HASH_SIZE};
    query_bytes_array(query, hashes, RECOVERY_CODES);
}

static void put_codes(struct json_out *json, const struct codes *codes)
{
    json_key(json, "recovery_codes");
    json_open_array(json);
    for (size_t i = 0; i < RECOVERY_CODES; i++)
        json_put_string(json, codes->texts[i]);
    json_close_array(json);
}

enum err second_factor_renew_codes(struct exchange *exchange)
{
    struct codes *codes = make_codes(exchange);
    struct query *query;

    if (codes == NULL)
        return ERR_INTERNAL;
    exchange->memory = codes;
    query = exchange_query(exchange, STATEMENT_RECOVERY_CODES_RENEW);
    query_uuid(query, &exchange->principal.account);
    bind_hashes(query, codes);
    service_bind_mail(exchange, query);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err second_factor_codes_renewed(struct exchange *exchange)
{
    struct json_out *json = &exchange->reply.json;

    if (exchange->query.rows.count != 1) {
        exchange->detail = none_enrolled;
        return ERR_NOT_FOUND;
    }
    json_open_object(json);
    put_codes(json, exchange->memory);
    json_close_object(json);
    service_log_user_updated(exchange, &exchange->principal.account, "recovery_codes", "renewed");
    return ERR_NONE;
}

/* --- confirming --- */

struct confirmation {
    const struct codes *codes;
    enum err err; /* the answer, when the code was refused */
};

enum err second_factor_confirm(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_TOTP_TRY);

    exchange->memory = arena_zalloc(exchange->arena, sizeof(struct confirmation));
    query_uuid(query, &exchange->principal.account);
    query_bool(query, false);
    throttle_bind(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

/* The refusal is recorded, then told. */
static enum err refuse(
    struct exchange *exchange, struct confirmation *confirmation, enum err err, const char *reason)
{
    confirmation->err = err == ERR_INVALID_CODE ? service_wrong_code(exchange, "/code") : err;
    return service_record_failure(exchange, &exchange->principal.account, reason);
}

static enum err check_first_code(struct exchange *exchange, struct confirmation *confirmation)
{
    struct factor_accepted accepted;
    const char *reason;
    struct query *query;
    enum err err;

    exchange->detail = none_waits;
    if (exchange->query.rows.count != 1)
        return ERR_NOT_FOUND;
    exchange->detail = NULL;
    err = service_check_code(exchange, &exchange->principal.account, 0,
        &exchange->values[F_CODE].text, &accepted, &reason);
    if (reason != NULL)
        return refuse(exchange, confirmation, err, reason);
    if (err != ERR_NONE)
        return err;
    confirmation->codes = make_codes(exchange);
    if (confirmation->codes == NULL)
        return ERR_INTERNAL;
    query = exchange_query(exchange, STATEMENT_TOTP_CONFIRM);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &exchange->principal.session);
    query_int8(query, accepted.step);
    bind_hashes(query, confirmation->codes);
    service_bind_mail(exchange, query);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    throttle_bind_limits(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

static enum err confirmed(struct exchange *exchange, const struct confirmation *confirmation)
{
    const struct rows *rows = &exchange->query.rows;
    struct json_out *json = &exchange->reply.json;

    if (confirmation->err != ERR_NONE)
        return confirmation->err;
    if (rows->count != 1)
        return ERR_SECOND_FACTOR_ENROLLED;
    json_open_object(json);
    json_key(json, "confirmed_at");
    json_put_timestamp(json, rows_timestamp(rows, 0, 0));
    put_codes(json, confirmation->codes);
    json_close_object(json);
    service_log_user_updated(exchange, &exchange->principal.account, "second_factor", "enrolled");
    return ERR_NONE;
}

enum err second_factor_confirm_next(struct exchange *exchange)
{
    struct confirmation *confirmation = exchange->memory;

    return exchange->step == 1 ? check_first_code(exchange, confirmation)
                               : confirmed(exchange, confirmation);
}

/* --- removing --- */

enum err second_factor_remove(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_SECOND_FACTOR_REMOVE);

    query_uuid(query, &exchange->principal.account);
    service_bind_mail(exchange, query);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err second_factor_removed(struct exchange *exchange)
{
    if (exchange->query.rows.count != 1) {
        exchange->detail = none_enrolled;
        return ERR_NOT_FOUND;
    }
    exchange->reply.status = 204;
    service_log_user_updated(exchange, &exchange->principal.account, "second_factor", "removed");
    return ERR_NONE;
}
