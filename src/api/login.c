/*
 * login.c: a login is three steps: look the account up, check the password off the loop, then open
 * a session or record the failure. Each step happens for every login: an address that nobody has
 * costs the same hash and the same number of round trips as a wrong password, and gets the same
 * answer.
 */
#include "api/login.h"

#include "api/service.h"
#include "auth/email.h"
#include "base/log.h"

enum { F_EMAIL, F_PASSWORD };

const struct field login_fields[login_fields_count] = {
    [F_EMAIL] = {"email", FIELD_STRING, FIELD_REQUIRED, 1, EMAIL_MAX},
    [F_PASSWORD] = {"password", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, PASSWORD_MAX},
};

/* Columns of login_lookup. */
enum { COLUMN_ACCOUNT, COLUMN_STATE, COLUMN_ROLE, COLUMN_HASH, COLUMN_PEPPER };

struct login {
    struct hash_job job;
    struct grant grant;
    const char *failure; /* why it fails whatever the password; NULL: it need not */
    bool known;          /* there is such an account */
    bool opened;
};

enum err login_ask(struct exchange *exchange)
{
    const struct text *email = &exchange->values[F_EMAIL].text;
    struct query *query = exchange_query(exchange, STATEMENT_LOGIN_LOOKUP);

    exchange->memory = arena_zalloc(exchange->arena, sizeof(struct login));
    query_text(query, email->bytes, email->length);
    return ERR_NONE;
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
        login->grant.account = *rows_uuid(rows, 0, COLUMN_ACCOUNT);
        if (!rows_is(rows, 0, COLUMN_STATE, "active"))
            login->failure = "account_disabled";
        if (rows_is(rows, 0, COLUMN_PEPPER, pepper_id(service->pepper)))
            hash = rows_text(rows, 0, COLUMN_HASH, &length);
        else
            login->failure = "unknown_pepper";
    }
    hash_job_expect(&login->job, hash, length);
}

static enum err check_password(struct exchange *exchange, struct login *login)
{
    const struct text *password = &exchange->values[F_PASSWORD].text;

    login->job = (struct hash_job){
        .kind = HASH_VERIFY, .password = password->bytes, .length = password->length};
    choose_hash(login, &exchange->query.rows, service_of(exchange));
    return service_hash(exchange, &login->job);
}

static enum err record_failure(struct exchange *exchange, struct login *login)
{
    struct query *query = exchange_query(exchange, STATEMENT_LOGIN_FAILED);
    const char *reason = login->failure != NULL ? login->failure : "wrong_password";

    query_uuid(query, login->known ? &login->grant.account : NULL);
    query_string(query, reason);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    log_event(LEVEL_WARNING, "authn_login_fail", log_str("request_id", exchange->request.id),
        log_str("reason", reason), log_str("address", exchange->request.address));
    return ERR_NONE;
}

static enum err open_session(struct exchange *exchange, struct login *login)
{
    const struct service *service = service_of(exchange);
    const struct config *config = service->config;
    struct query *query = exchange_query(exchange, STATEMENT_SESSION_OPEN);
    struct uuid session;

    login->opened = true;
    uuid_v7(&session);
    if (refresh_make(&service->refresh_key, &session, 0, &login->grant.refresh) != 0)
        return ERR_INTERNAL;
    query_uuid(query, &session);
    query_uuid(query, &login->grant.account);
    query_bytes(query, login->grant.refresh.hash, sizeof login->grant.refresh.hash);
    query_bool(query, false);
    query_int4(query, config->session.idle_s);
    query_int4(query, config->session.absolute_s);
    query_inet(query, exchange->request.address);
    query_string(query, exchange->request.user_agent);
    query_string(query, exchange->request.id);
    return ERR_NONE;
}

static enum err logged_in(struct exchange *exchange, struct login *login)
{
    const struct rows *rows = &exchange->query.rows;
    char account[UUID_SIZE], session[UUID_SIZE];

    login->grant.refresh_expires_in = rows_int4(rows, 0, 0);
    if (service_grant(exchange, &login->grant) != 0)
        return ERR_INTERNAL;
    uuid_format(&login->grant.account, account);
    uuid_format(&login->grant.refresh.session, session);
    log_event(LEVEL_INFO, "authn_login_success", log_str("request_id", exchange->request.id),
        log_str("account_id", account), log_str("session_id", session));
    return ERR_NONE;
}

enum err login_next(struct exchange *exchange)
{
    struct login *login = exchange->memory;

    switch (exchange->step) {
    case 1:
        return check_password(exchange, login);
    case 2:
        return login->failure == NULL && login->job.matched ? open_session(exchange, login)
                                                            : record_failure(exchange, login);
    default:
        /* An account that was disabled in between gets no session. */
        return login->opened && exchange->query.rows.count == 1 ? logged_in(exchange, login)
                                                                : ERR_INVALID_CREDENTIALS;
    }
}
