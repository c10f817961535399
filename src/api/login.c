/*
 * login.c: a login is three steps: look the account up, check the password off the loop, then open
 * a session, let it wait for the second factor, or record the failure. Each step happens for every
 * login: an address that nobody has costs the same hash and the same number of round trips as a
 * wrong password, and gets the same answer. So does a password that nobody can have, since it is
 * empty or too long. Before all that, a place in the queue of the hashing process and room for one
 * more failure are taken; who gets neither costs no hash.
 */
#include "api/login.h"

#include "api/service.h"
#include "api/throttle.h"
#include "auth/challenge.h"
#include "auth/email.h"
#include "base/log.h"

enum { F_EMAIL, F_PASSWORD };

const struct field login_fields[login_fields_count] = {
    [F_EMAIL] = {"email", FIELD_STRING, FIELD_REQUIRED, 1, EMAIL_MAX},
    [F_PASSWORD] = {"password", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 0, INT_MAX},
};

/* Columns of login_lookup. */
enum {
    COLUMN_ACCOUNT,
    COLUMN_STATE,
    COLUMN_ROLE,
    COLUMN_HASH,
    COLUMN_PEPPER,
    COLUMN_GENERATION,
    COLUMN_MFA,
    COLUMN_THROTTLE
};

struct login {
    struct hash_job job;
    struct grant grant;
    struct text receipt; /* of what the attempt took */
    int32_t generation;  /* of the password that is checked */
    const char *failure; /* why it fails whatever the password; NULL: it need not */
    bool known;          /* there is such an account */
    bool second_factor;  /* and it has one */
    struct challenge challenge;
    enum { LOOKING, CHECKING, OPENING, WAITING, FAILED } state;
};

enum err login_ask(struct exchange *exchange)
{
    const struct text *email = &exchange->values[F_EMAIL].text;
    struct login *login = arena_zalloc(exchange->arena, sizeof *login);
    enum err err = service_reserve(exchange, &login->job);
    struct query *query;

    if (err != ERR_NONE)
        return err;
    exchange->memory = login;
    query = exchange_query(exchange, STATEMENT_LOGIN_LOOKUP);
    query_text(query, email->bytes, email->length);
    throttle_bind(exchange, query, THROTTLE_LOGIN);
    return ERR_NONE;
}

/* The hash to check against: the account's, or one that takes as long and never matches. */
static void choose_hash(struct login *login, const struct rows *rows, const struct service *service)
{
    const char *dummy = hasher_dummy(service->hasher);

    if (rows_null(rows, 0, COLUMN_HASH)) {
        login->failure = "unknown_email";
        hash_job_expect(&login->job, dummy, strlen(dummy));
        return;
    }
    login->known = true;
    login->grant.account = *rows_uuid(rows, 0, COLUMN_ACCOUNT);
    login->generation = rows_int4(rows, 0, COLUMN_GENERATION);
    login->second_factor = rows_bool(rows, 0, COLUMN_MFA);
    if (!service_expect(service, &login->job, rows, COLUMN_HASH))
        login->failure = "unknown_pepper";
    else if (!rows_is(rows, 0, COLUMN_STATE, "active"))
        login->failure = "account_disabled";
}

static enum err check_password(struct exchange *exchange, struct login *login)
{
    const struct text *password = &exchange->values[F_PASSWORD].text;
    enum err err = throttle_judge(exchange, THROTTLE_LOGIN, COLUMN_THROTTLE, &login->receipt);

    if (err != ERR_NONE)
        return err;
    hash_job_init(
        &login->job, HASH_VERIFY, password->bytes, MIN(password->length, (size_t)PASSWORD_MAX));
    choose_hash(login, &exchange->query.rows, service_of(exchange));
    if (password->length > PASSWORD_MAX && login->failure == NULL)
        login->failure = "wrong_password";
    login->state = CHECKING;
    return service_hash(exchange, &login->job);
}

static enum err record_failure(struct exchange *exchange, struct login *login)
{
    return service_record_failure(exchange, login->known ? &login->grant.account : NULL,
        login->failure != NULL ? login->failure : "wrong_password");
}

/* --- the session --- */

enum err login_open_session(struct exchange *exchange, struct grant *grant, int32_t generation,
    bool mfa, const struct text *receipt)
{
    const struct service *service = service_of(exchange);
    const struct config *config = service->config;
    struct query *query = exchange_query(exchange, STATEMENT_SESSION_OPEN);
    struct uuid session;

    uuid_v7(&session);
    if (refresh_make(&service->refresh_keys.key[0], &session, 0, &grant->refresh) != 0)
        return ERR_INTERNAL;
    query_uuid(query, &session);
    query_uuid(query, &grant->account);
    query_bytes(query, grant->refresh.hash, sizeof grant->refresh.hash);
    query_bool(query, mfa);
    query_int4(query, config->session.idle_s);
    query_int4(query, config->session.absolute_s);
    query_inet(query, exchange->request.address);
    query_string(query, exchange->request.user_agent);
    query_string(query, exchange->request.id);
    throttle_bind_known(exchange, query);
    throttle_bind_give(exchange, query, receipt);
    service_bind_mail(exchange, query);
    query_int4(query, generation);
    query_string(query, service->refresh_keys.key[0].id);
    query_string(query, key_id(keys_signing(service->keys)));
    return ERR_NONE;
}

enum err login_session_opened(struct exchange *exchange, struct grant *grant)
{
    const struct rows *rows = &exchange->query.rows;
    char account[UUID_SIZE], session[UUID_SIZE];

    grant->refresh_expires_in = rows_int4(rows, 0, 0);
    if (service_grant(exchange, grant) != 0)
        return ERR_INTERNAL;
    uuid_format(&grant->account, account);
    uuid_format(&grant->refresh.session, session);
    log_event(LEVEL_INFO, "authn_login_success", log_request(&exchange->request),
        log_str("account_id", account), log_str("session_id", session));
    return ERR_NONE;
}

/* --- the wait for the second factor --- */

static enum err open_challenge(struct exchange *exchange, struct login *login)
{
    struct query *query;

    if (challenge_make(&login->challenge) != 0)
        return ERR_INTERNAL;
    login->state = WAITING;
    query = exchange_query(exchange, STATEMENT_LOGIN_CHALLENGE_OPEN);
    query_uuid(query, &login->grant.account);
    query_bytes(query, login->challenge.hash, sizeof login->challenge.hash);
    query_int4(query, CHALLENGE_LIFETIME_S);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    throttle_bind_give(exchange, query, &login->receipt);
    query_int4(query, login->generation);
    return ERR_NONE;
}

static enum err challenge_opened(struct exchange *exchange, const struct login *login)
{
    struct json_out *json = &exchange->reply.json;
    char account[UUID_SIZE];

    json_open_object(json);
    json_key(json, "mfa_required");
    json_put_bool(json, true);
    json_key(json, "mfa_token");
    json_put_string(json, login->challenge.text);
    json_key(json, "expires_in");
    json_put_int(json, CHALLENGE_LIFETIME_S);
    json_close_object(json);
    uuid_format(&login->grant.account, account);
    log_event(LEVEL_INFO, "authn_token_created", log_request(&exchange->request),
        log_str("account_id", account), log_str("entitlement", "second_factor"));
    return ERR_NONE;
}

/* --- the password --- */

static enum err checked(struct exchange *exchange, struct login *login)
{
    if (login->failure != NULL || !login->job.matched) {
        login->state = FAILED;
        return record_failure(exchange, login);
    }
    rehash_start(service_of(exchange)->rehasher, &login->grant.account, &login->job);
    if (login->second_factor)
        return open_challenge(exchange, login);
    login->state = OPENING;
    return login_open_session(exchange, &login->grant, login->generation, false, &login->receipt);
}

/* No row: the password was changed while it was checked, or the account disabled. */
static enum err opened(struct exchange *exchange, struct login *login)
{
    if (exchange->query.rows.count != 1) {
        login->state = FAILED;
        login->failure = "credential_changed";
        return record_failure(exchange, login);
    }
    return login->state == OPENING ? login_session_opened(exchange, &login->grant)
                                   : challenge_opened(exchange, login);
}

enum err login_next(struct exchange *exchange)
{
    struct login *login = exchange->memory;

    switch (login->state) {
    case LOOKING:
        return check_password(exchange, login);
    case CHECKING:
        return checked(exchange, login);
    case OPENING:
    case WAITING:
        return opened(exchange, login);
    default:
        return ERR_INVALID_CREDENTIALS;
    }
}
