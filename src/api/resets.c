/*
 * resets.c: asking for a link is answered alike for every address; what is done for one that is
 * somebody's is done for any other, too, and none is sent more messages than fit. Following it
 * takes three steps: whose password it is, for the rules of passwords; the hash, off the loop; and
 * then the one statement that takes the link, sets the password and ends every session. It says
 * once more whether the link is good: of many who follow it at once, one is told that it was. A
 * second factor stays what it is. API keys are revoked, unless that is not wanted: a reset is what
 * people do, and are told to do, when somebody else has been in, and who was may have made one.
 */
#include "api/resets.h"

#include "api/service.h"
#include "api/throttle.h"
#include "auth/email.h"
#include "base/log.h"

/* --- asking --- */

enum { F_EMAIL };

const struct field resets_request_fields[resets_request_fields_count] = {
    [F_EMAIL] = {"email", FIELD_STRING, FIELD_REQUIRED, 1, EMAIL_MAX},
};

enum err resets_request(struct exchange *exchange)
{
    if (!service_of(exchange)->config->mail.mode)
        return ERR_NOT_FOUND;
    throttle_ask(exchange, THROTTLE_RESET, &exchange->values[F_EMAIL].text, NULL);
    return ERR_NONE;
}

static enum err make_link(struct exchange *exchange)
{
    const struct service *service = service_of(exchange);
    const struct text *email = &exchange->values[F_EMAIL].text;
    struct query *query;
    struct uuid id;
    struct link link;
    struct text receipt;
    enum err err = throttle_judge(exchange, THROTTLE_RESET, 0, &receipt);

    if (err != ERR_NONE)
        return err;
    uuid_v7(&id);
    if (link_derive(&service->link_key, &id, &link) != 0)
        return ERR_INTERNAL;
    query = exchange_query(exchange, STATEMENT_RESET_REQUEST);
    query_uuid(query, &id);
    query_text(query, email->bytes, email->length);
    query_bytes(query, arena_copy(exchange->arena, link.hash, sizeof link.hash), sizeof link.hash);
    query_int4(query, service->config->mail.reset_lifetime_s);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err resets_requested(struct exchange *exchange)
{
    if (exchange->step == 1)
        return make_link(exchange);
    log_event(LEVEL_INFO, "authn_password_reset_requested", log_request(&exchange->request),
        log_str("address", exchange->request.address));
    service_accepted(exchange);
    return ERR_NONE;
}

/* --- following --- */

enum { F_TOKEN, F_PASSWORD, F_KEYS };

/* Of reset_lookup; what service_check_password wants. */
enum { COLUMN_EMAIL };

const struct field resets_confirm_fields[resets_confirm_fields_count] = {
    [F_TOKEN] = {"token", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 256},
    [F_PASSWORD] = PASSWORD_NEW_FIELD("password"),
    [F_KEYS] = SERVICE_KEYS_FIELD("revoke"),
};

struct reset {
    struct hash_job job;
    uint8_t link_hash[LINK_HASH_SIZE];
};

enum err resets_confirm(struct exchange *exchange)
{
    const struct text *token = &exchange->values[F_TOKEN].text;
    struct reset *reset = arena_zalloc(exchange->arena, sizeof *reset);
    struct query *query;
    struct link link;

    if (!link_parse(token->bytes, token->length, &link))
        return service_link_refused(exchange, "reset_password");
    memcpy(reset->link_hash, link.hash, sizeof reset->link_hash);
    exchange->memory = reset;
    query = exchange_query(exchange, STATEMENT_RESET_LOOKUP);
    query_bytes(query, reset->link_hash, sizeof reset->link_hash);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

static enum err hash_password(struct exchange *exchange, struct reset *reset)
{
    const struct text *password = &exchange->values[F_PASSWORD].text;
    enum err err;

    if (exchange->query.rows.count != 1)
        return service_link_refused(exchange, "reset_password");
    err = service_check_password(exchange, password, COLUMN_EMAIL, "/password");
    if (err != ERR_NONE)
        return err;
    hash_job_init(&reset->job, HASH_MAKE, password->bytes, password->length);
    return service_hash(exchange, &reset->job);
}

static enum err store_password(struct exchange *exchange, const struct reset *reset)
{
    struct query *query;

    if (reset->job.failed)
        return ERR_INTERNAL;
    query = exchange_query(exchange, STATEMENT_RESET_CONFIRM);
    query_bytes(query, reset->link_hash, sizeof reset->link_hash);
    query_string(query, reset->job.hash);
    query_string(query, pepper_id(service_of(exchange)->pepper));
    service_bind_mail(exchange, query);
    query_bool(query, service_revokes_keys(&exchange->values[F_KEYS]));
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

static enum err changed(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    char account[UUID_SIZE];

    if (rows->count != 1 || rows_null(rows, 0, 0))
        return service_link_refused(exchange, "reset_password");
    uuid_format(rows_uuid(rows, 0, 0), account);
    log_event(LEVEL_INFO, "authn_password_change", log_request(&exchange->request),
        log_str("account_id", account), log_str("by", "reset_link"));
    exchange->reply.status = 204;
    return ERR_NONE;
}

enum err resets_confirm_next(struct exchange *exchange)
{
    struct reset *reset = exchange->memory;

    switch (exchange->step) {
    case 1:
        return hash_password(exchange, reset);
    case 2:
        return store_password(exchange, reset);
    default:
        return changed(exchange);
    }
}
