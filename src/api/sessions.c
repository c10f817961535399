/*
 * sessions.c: a login is three steps: look the account up, check the password off the loop, then
 * open a session or record the failure. Each step happens for every login: an address that nobody
 * has costs the same hash and the same number of round trips as a wrong password, and gets the same
 * answer.
 */
#include "api/sessions.h"

#include "api/service.h"
#include "auth/email.h"
#include "base/log.h"
#include "base/timestamp.h"

enum { F_EMAIL, F_PASSWORD };

const struct field sessions_login_fields[sessions_login_fields_count] = {
    [F_EMAIL] = {"email", FIELD_STRING, FIELD_REQUIRED, 1, EMAIL_MAX},
    [F_PASSWORD] = {"password", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, PASSWORD_MAX},
};

/* Columns of login_lookup. */
enum { COLUMN_ACCOUNT, COLUMN_STATE, COLUMN_ROLE, COLUMN_HASH, COLUMN_PEPPER };

struct login {
    struct hash_job job;
    struct uuid account;
    struct uuid session;
    const char *failure; /* why it fails whatever the password; NULL: it need not */
    bool known;          /* there is such an account */
    bool opened;
};

/* --- login --- */

enum err sessions_login(struct exchange *exchange)
{
    const struct text *email = &exchange->values[F_EMAIL].text;
    struct query *query = exchange_query(exchange, STATEMENT_LOGIN_LOOKUP);

    exchange->memory = arena_zalloc(exchange->arena, sizeof(struct login));
    query_text(query, email->bytes, email->length);
    return ERR_NONE;
}

static void hashed(struct hash_job *job)
{
    exchange_resume(job->context);
}

static void cancel_hash(struct exchange *exchange)
{
    struct login *login = exchange->memory;

    hasher_cancel(service_of(exchange)->hasher, &login->job);
}

/* The hash to check against: the account's, or one that takes as long and never matches. */
static void choose_hash(struct login *login, const struct rows *rows, const struct service *service)
{
    const char *hash = hasher_dummy(service->hasher);
    size_t length = strlen(hash);

    if (rows->count == 0) {
        login->failure = "unknown_email";
    } else {
        login->known = true;
        login->account = *rows_uuid(rows, 0, COLUMN_ACCOUNT);
        if (!rows_is(rows, 0, COLUMN_STATE, "active"))
            login->failure = "account_disabled";
        if (rows_is(rows, 0, COLUMN_PEPPER, pepper_id(service->pepper)))
            hash = rows_text(rows, 0, COLUMN_HASH, &length);
        else
            login->failure = "unknown_pepper";
    }
    length = MIN(length, sizeof login->job.hash - 1);
    memcpy(login->job.hash, hash, length);
    login->job.hash[length] = '\0';
}

static enum err check_password(struct exchange *exchange)
{
    const struct service *service = service_of(exchange);
    const struct text *password = &exchange->values[F_PASSWORD].text;
    struct login *login = exchange->memory;

    login->job = (struct hash_job){.kind = HASH_VERIFY,
        .password = password->bytes,
        .length = password->length,
        .done = hashed,
        .context = exchange};
    choose_hash(login, &exchange->query.rows, service);
    if (hasher_submit(service->hasher, &login->job) != 0) {
        slot_count(service->slot, COUNTER_HASHES_REFUSED);
        return ERR_OVERLOADED;
    }
    exchange_wait(exchange, STAGE_HASH, cancel_hash);
    return ERR_NONE;
}

static enum err record_failure(struct exchange *exchange, struct login *login)
{
    struct query *query = exchange_query(exchange, STATEMENT_LOGIN_FAILED);
    const char *reason = login->failure != NULL ? login->failure : "wrong_password";

    query_uuid(query, login->known ? &login->account : NULL);
    query_string(query, reason);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    log_event(LEVEL_WARNING, "authn_login_fail", log_str("request_id", exchange->request.id),
        log_str("reason", reason), log_str("address", exchange->request.address));
    return ERR_NONE;
}

static enum err open_session(struct exchange *exchange, struct login *login)
{
    struct query *query = exchange_query(exchange, STATEMENT_SESSION_OPEN);

    login->opened = true;
    uuid_v7(&login->session);
    query_uuid(query, &login->session);
    query_uuid(query, &login->account);
    query_int4(query, service_of(exchange)->config->token.lifetime_s);
    query_inet(query, exchange->request.address);
    query_string(query, exchange->request.user_agent);
    query_string(query, exchange->request.id);
    return ERR_NONE;
}

static void render_token(
    struct exchange *exchange, const struct login *login, const char *token, int lifetime_s)
{
    struct json_out *json = &exchange->reply.json;

    json_open_object(json);
    json_key(json, "access_token");
    json_put_string(json, token);
    json_key(json, "token_type");
    json_put_string(json, "Bearer");
    json_key(json, "expires_in");
    json_put_int(json, lifetime_s);
    json_key(json, "session_id");
    json_put_uuid(json, &login->session);
    json_close_object(json);
}

static enum err issue_token(struct exchange *exchange, const struct login *login)
{
    const struct service *service = service_of(exchange);
    int lifetime_s = service->config->token.lifetime_s;
    int64_t now = timestamp_epoch_s(timestamp_now());
    struct claims claims = {.account = login->account,
        .session = login->session,
        .issued = now,
        .expires = now + lifetime_s};
    char account[UUID_SIZE], session[UUID_SIZE];
    const char *token;

    uuid_v7(&claims.id);
    token = token_issue(service->config, service->keys, &claims, exchange->arena);
    if (token == NULL)
        return ERR_INTERNAL;
    uuid_format(&login->account, account);
    uuid_format(&login->session, session);
    log_event(LEVEL_INFO, "authn_login_success", log_str("request_id", exchange->request.id),
        log_str("account_id", account), log_str("session_id", session));
    render_token(exchange, login, token, lifetime_s);
    return ERR_NONE;
}

enum err sessions_login_next(struct exchange *exchange)
{
    struct login *login = exchange->memory;

    switch (exchange->step) {
    case 1:
        return check_password(exchange);
    case 2:
        slot_count(service_of(exchange)->slot, COUNTER_HASHES);
        return login->failure == NULL && login->job.matched ? open_session(exchange, login)
                                                            : record_failure(exchange, login);
    default:
        /* An account that was disabled in between gets no session. */
        return login->opened && exchange->query.rows.count == 1 ? issue_token(exchange, login)
                                                                : ERR_INVALID_CREDENTIALS;
    }
}

/* --- logout --- */

enum err sessions_logout(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_SESSION_CLOSE);

    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &exchange->principal.session);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err sessions_logged_out(struct exchange *exchange)
{
    exchange->reply.status = 204;
    return ERR_NONE;
}

/* --- keys --- */

enum err sessions_jwks(struct exchange *exchange)
{
    exchange->reply.content_type = "application/jwk-set+json";
    exchange->reply.cache_control = "public, max-age=300";
    buf_puts(&exchange->reply.body, keys_jwks(service_of(exchange)->keys));
    return ERR_NONE;
}
