/*
 * sessions.c: a session is opened by a login, lives on by refreshing, and ends by being closed,
 * unused or too old. Whatever ends it acts on the next request, because `enter` looks at it.
 */
#include "api/sessions.h"

#include "api/service.h"
#include "base/log.h"
#include "http/page.h"

/* --- refresh --- */

enum { F_REFRESH_TOKEN };

const struct field sessions_refresh_fields[sessions_refresh_fields_count] = {
    [F_REFRESH_TOKEN] = {"refresh_token", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 256},
};

/* Columns of session_refresh. */
enum { COLUMN_VERDICT, COLUMN_ACCOUNT, COLUMN_EXPIRES_IN, COLUMN_SUCCESSOR, COLUMN_KEY_ID };

static const char not_good[] = "The refresh token is not, or no longer, good: log in again.";

struct renewal {
    struct grant grant;
    struct refresh_token given;
    bool genuine;
    bool looked;                                       /* for a key that was not known */
    struct refresh_token successors[REFRESH_KEYS_MAX]; /* one for each key */
};

/* With what can be derived from the keys that are known now. */
static enum err exchange_token(struct exchange *exchange, struct renewal *renewal)
{
    const struct service *service = service_of(exchange);
    const struct refresh_keys *keys = &service->refresh_keys;
    struct text ids[REFRESH_KEYS_MAX], hashes[REFRESH_KEYS_MAX];
    struct query *query;

    for (size_t i = 0; i < keys->count; i++) {
        struct refresh_token *successor = &renewal->successors[i];

        if (refresh_make(&keys->key[i], &renewal->given.session, renewal->given.generation + 1,
                successor) != 0)
            return ERR_INTERNAL;
        ids[i] = (struct text){keys->key[i].id, strlen(keys->key[i].id)};
        hashes[i] = (struct text){(const char *)successor->hash, sizeof successor->hash};
    }
    query = exchange_query(exchange, STATEMENT_SESSION_REFRESH);
    query_uuid(query, &renewal->given.session);
    query_int4(query, renewal->given.generation);
    query_bytes(query, renewal->given.hash, sizeof renewal->given.hash);
    query_bool(query, renewal->genuine);
    query_text_array(query, ids, keys->count);
    query_bytes_array(query, hashes, keys->count);
    query_bool(query, renewal->looked);
    query_int4(query, service->config->session.idle_s);
    query_int4(query, service->config->session.refresh_grace_s);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    query_string(query, exchange->request.user_agent);
    query_string(query, key_id(keys_signing(service->keys)));
    return ERR_NONE;
}

static enum err refuse(const struct exchange *exchange)
{
    service_token_refused(exchange, "refresh_token");
    return ERR_SESSION_ENDED;
}

enum err sessions_refresh(struct exchange *exchange)
{
    const struct refresh_keys *keys = &service_of(exchange)->refresh_keys;
    const struct text *text = &exchange->values[F_REFRESH_TOKEN].text;
    struct renewal *renewal = arena_zalloc(exchange->arena, sizeof *renewal);

    exchange->detail = not_good;
    if (!refresh_parse(keys, text->bytes, text->length, &renewal->given, &renewal->genuine))
        return refuse(exchange);
    exchange->memory = renewal;
    return exchange_token(exchange, renewal);
}

/* Somebody holds a copy of a token that was used already. */
static void log_reuse(const struct exchange *exchange, const struct refresh_token *given)
{
    char account[UUID_SIZE], session[UUID_SIZE];

    uuid_format(rows_uuid(&exchange->query.rows, 0, COLUMN_ACCOUNT), account);
    uuid_format(&given->session, session);
    slot_count(service_of(exchange)->slot, COUNTER_TOKENS_REUSED);
    log_event(LEVEL_WARNING, "authn_token_reuse", log_request(&exchange->request),
        log_str("account_id", account), log_str("session_id", session),
        log_str("address", exchange->request.address));
}

/* Another worker has derived the successor from a key that is not known here, or not yet. */
static enum err look_for_key(struct exchange *exchange, struct renewal *renewal)
{
    size_t length;
    const char *id = rows_text(&exchange->query.rows, 0, COLUMN_KEY_ID, &length);

    renewal->looked = true;
    service_find_refresh_key(exchange, id, length);
    return exchange_token(exchange, renewal);
}

enum err sessions_refreshed(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct renewal *renewal = exchange->memory;
    struct grant *grant = &renewal->grant;

    if (rows->count != 1)
        return ERR_INTERNAL;
    if (rows_is(rows, 0, COLUMN_VERDICT, "unknown") && !renewal->looked)
        return look_for_key(exchange, renewal);
    if (rows_is(rows, 0, COLUMN_VERDICT, "reused")) {
        log_reuse(exchange, &renewal->given);
        return ERR_SESSION_ENDED;
    }
    if (!rows_is(rows, 0, COLUMN_VERDICT, "rotated") &&
        !rows_is(rows, 0, COLUMN_VERDICT, "repeated"))
        return refuse(exchange);
    exchange->detail = NULL;
    grant->refresh = renewal->successors[rows_int4(rows, 0, COLUMN_SUCCESSOR) - 1];
    grant->account = *rows_uuid(rows, 0, COLUMN_ACCOUNT);
    grant->refresh_expires_in = rows_int4(rows, 0, COLUMN_EXPIRES_IN);
    return service_grant(exchange, grant) == 0 ? ERR_NONE : ERR_INTERNAL;
}

/* --- one's own sessions --- */

const struct field sessions_parameters[sessions_parameters_count] = {PAGE_PARAMETERS};

/* In the order of the columns of session_list. */
static const struct field session_fields[] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"last_used_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"expires_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"ends_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"address", FIELD_STRING, FIELD_READ_ONLY},
    {"user_agent", FIELD_STRING, FIELD_READ_ONLY},
    {"mfa", FIELD_BOOLEAN, FIELD_READ_ONLY},
    {"current", FIELD_BOOLEAN, FIELD_READ_ONLY},
};

enum err sessions_list(struct exchange *exchange)
{
    const struct uuid *before;
    struct uuid id;
    struct query *query;

    if (!page_before(exchange, &id, &before))
        return ERR_INVALID_CURSOR;
    query = exchange_query(exchange, STATEMENT_SESSION_LIST);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &exchange->principal.session);
    query_uuid(query, before);
    query_int4(query, page_limit(exchange) + 1);
    return ERR_NONE;
}

enum err sessions_listed(struct exchange *exchange)
{
    return page_reply_by_id(exchange, session_fields, countof(session_fields));
}

/* --- ending them --- */

static enum err close_sessions(
    struct exchange *exchange, const struct uuid *session, const char *scope, const char *cause)
{
    struct query *query = exchange_query(exchange, STATEMENT_SESSION_CLOSE);

    query_uuid(query, &exchange->principal.account);
    query_uuid(query, session);
    query_string(query, scope);
    query_string(query, cause);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

static void log_closed(const struct exchange *exchange, const char *cause)
{
    char account[UUID_SIZE];

    uuid_format(&exchange->principal.account, account);
    log_event(LEVEL_INFO, "session_expired", log_request(&exchange->request),
        log_str("account_id", account), log_str("cause", cause),
        log_int("sessions", exchange->query.rows.count));
}

enum err sessions_end(struct exchange *exchange)
{
    return close_sessions(exchange, &exchange->id, "this", "revoked");
}

enum err sessions_ended(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    log_closed(exchange, "revoked");
    exchange->reply.status = 204;
    return ERR_NONE;
}

enum { F_SCOPE };

static const char *const scopes[] = {"this", "others", "all", NULL};

const struct field sessions_logout_fields[sessions_logout_fields_count] = {
    [F_SCOPE] = {"scope", FIELD_WORD, FIELD_WRITE_ONLY, .words = scopes, .initial = "this"},
};

enum err sessions_logout(struct exchange *exchange)
{
    const struct text *scope = &exchange->values[F_SCOPE].text;

    return close_sessions(exchange, &exchange->principal.session,
        scope->bytes == NULL ? scopes[0] : scope->bytes, "logout");
}

enum err sessions_logged_out(struct exchange *exchange)
{
    log_closed(exchange, "logout");
    exchange->reply.status = 204;
    return ERR_NONE;
}

/* --- keys --- */

enum err sessions_jwks(struct exchange *exchange)
{
    exchange->reply.content_type = "application/jwk-set+json";
    exchange->reply.cache_control =
        arena_format(exchange->arena, "public, max-age=%d", KEYS_MAX_AGE_S);
    exchange->reply.version = keys_version(service_of(exchange)->keys);
    buf_puts(&exchange->reply.body, keys_jwks(service_of(exchange)->keys));
    return ERR_NONE;
}
