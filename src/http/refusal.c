/*
 * refusal.c: which errors are refusals. A bearer token that was never good names nobody, so it is
 * logged and no more; one that was good once, and one that is good for less than was wanted, are
 * recorded with the account that they belong to.
 */
#include "http/refusal.h"

#include "base/log.h"

enum refusal { REFUSAL_NONE, REFUSAL_TOKEN, REFUSAL_SESSION, REFUSAL_RIGHT };

static enum refusal kind_of(enum err err)
{
    switch (err) {
    case ERR_TOKEN_INVALID:
        return REFUSAL_TOKEN;
    case ERR_SESSION_ENDED:
        return REFUSAL_SESSION;
    case ERR_FORBIDDEN:
    case ERR_MFA_REQUIRED:
    case ERR_STEP_UP_REQUIRED:
    case ERR_INSUFFICIENT_SCOPE:
    case ERR_LAST_ADMIN:
        return REFUSAL_RIGHT;
    default:
        return REFUSAL_NONE;
    }
}

/* What stands for {id} in a path; NULL: there is no such thing in it. */
static const char *target_type(const char *path)
{
    static const struct {
        const char *path;
        const char *type;
    } types[] = {
        {"/v1/pets/{id}", "pet"},
        {"/v1/transfers/{id}", "transfer"},
        {"/v1/users/{id}", "account"},
        {"/v1/me/sessions/{id}", "session"},
        {"/v1/me/api-keys/{id}", "api_key"},
    };

    for (size_t i = 0; i < countof(types); i++)
        if (strncmp(path, types[i].path, strlen(types[i].path)) == 0)
            return types[i].type;
    return NULL;
}

/* Whose it was; NULL when that was said by a key that is not known to be one. */
static const char *account_of(const struct exchange *exchange, char account[UUID_SIZE])
{
    const struct rows *rows = &exchange->query.rows;

    uuid_format(&exchange->principal.account, account);
    return !exchange->principal.key || (rows->count == 1 && rows_bool(rows, 0, 0)) ? account : NULL;
}

static void log_token(const struct exchange *exchange)
{
    log_event(LEVEL_WARNING, "authn_token_fail", log_request(&exchange->request),
        log_str("kind", exchange->principal.key ? "api_key" : "access_token"),
        log_str("address", exchange->request.address));
}

static void log_session(const struct exchange *exchange, const char *route)
{
    char account[UUID_SIZE], session[UUID_SIZE];

    uuid_format(&exchange->principal.session, session);
    log_event(LEVEL_WARNING, "session_use_after_expire", log_request(&exchange->request),
        log_str("account_id", account_of(exchange, account)), log_str("session_id", session),
        log_str("route", route), log_str("address", exchange->request.address));
}

static void log_right(const struct exchange *exchange, enum err err, const char *route)
{
    char account[UUID_SIZE], target[UUID_SIZE];

    uuid_format(&exchange->id, target);
    /* Who is asked for a fresh proof is about to give it. */
    log_event(err == ERR_STEP_UP_REQUIRED ? LEVEL_INFO : LEVEL_WARNING, "authz_fail",
        log_request(&exchange->request), log_str("account_id", account_of(exchange, account)),
        log_str("reason", err_info(err)->code), log_str("route", route),
        log_str("target_id", target_type(exchange->route->path) == NULL ? NULL : target),
        log_str("address", exchange->request.address));
}

bool refusal_begin(struct exchange *exchange, enum err err)
{
    const struct principal *principal = &exchange->principal;
    const struct route *route = exchange->route;
    enum refusal kind = kind_of(err);
    struct query *query = &exchange->query;
    const char *type;
    char name[ROUTE_NAME_SIZE];

    if (kind == REFUSAL_NONE || route == NULL || route->access == ACCESS_PUBLIC)
        return false;
    if (kind == REFUSAL_TOKEN) {
        log_token(exchange);
        return false;
    }
    type = target_type(route->path);
    query_init(query, exchange->arena, STATEMENT_AUDIT_REFUSAL);
    query_uuid(query, &principal->account);
    query_uuid(query, &principal->session);
    query_bytes(query, principal->key ? principal->key_hash : NULL, sizeof principal->key_hash);
    query_string(query, err_info(err)->code);
    query_string(query, arena_string(exchange->arena, route_name(route, name, sizeof name)));
    query_string(query, type);
    query_uuid(query, type == NULL ? NULL : &exchange->id);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return true;
}

void refusal_end(const struct exchange *exchange, enum err err)
{
    char name[ROUTE_NAME_SIZE];
    const char *route = route_name(exchange->route, name, sizeof name);

    if (kind_of(err) == REFUSAL_SESSION)
        log_session(exchange, route);
    else
        log_right(exchange, err, route);
}
