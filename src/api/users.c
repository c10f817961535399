/*
 * users.c: administrators look at people, change what they may do, and throw them out. Every call
 * leaves an audit event in the transaction of what it does, and what changes somebody gives a
 * reason. An administrator never sees or chooses a password.
 */
#include "api/users.h"

#include "api/service.h"
#include "base/log.h"
#include "http/page.h"
#include "http/precondition.h"

static const char *const roles[] = {"USER", "ADMIN", NULL};
static const char *const states[] = {"active", "disabled", NULL};

enum { F_DISPLAY_NAME, F_ROLE, F_STATE, F_REASON };

const struct field users_fields[users_fields_count] = {
    [F_DISPLAY_NAME] = {"display_name", FIELD_STRING, 0, 1, 80},
    [F_ROLE] = {"role", FIELD_WORD, 0, .words = roles},
    [F_STATE] = {"state", FIELD_WORD, 0, .words = states},
    [F_REASON] = {"reason", FIELD_STRING, FIELD_WRITE_ONLY, 1, 200},
};

const struct field users_revoke_fields[users_revoke_fields_count] = {
    {"reason", FIELD_STRING, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 200},
};

enum { P_ROLE = PAGE_OWN, P_STATE, P_Q };

const struct field users_parameters[users_parameters_count] = {
    PAGE_PARAMETERS,
    [P_ROLE] = {"role", FIELD_WORD, 0, .words = roles},
    [P_STATE] = {"state", FIELD_WORD, 0, .words = states},
    [P_Q] = {"q", FIELD_STRING, 0, 1, 80},
};

/* In the order of the columns of the users statements. */
static const struct field user_fields[] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"email", FIELD_STRING, FIELD_READ_ONLY},
    {"display_name", FIELD_STRING, FIELD_READ_ONLY},
    {"role", FIELD_WORD, FIELD_READ_ONLY},
    {"state", FIELD_WORD, FIELD_READ_ONLY},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"updated_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"version", FIELD_INTEGER, FIELD_READ_ONLY},
};
enum { COLUMN_VERSION = 7 };

/* Every users statement ends with these two. */
static void bind_origin(struct exchange *exchange, struct query *query)
{
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
}

/* The text of a value, or null when it was not given. */
static void bind_given(const struct value *value, struct query *query)
{
    if (value->given)
        query_text(query, value->text.bytes, value->text.length);
    else
        query_null(query);
}

/* One of the events that the audit record has, too; `what` says more about it, or is NULL. */
static void log_user(
    const struct exchange *exchange, const char *event, const char *what, const char *value)
{
    char actor[UUID_SIZE], target[UUID_SIZE];

    uuid_format(&exchange->principal.account, actor);
    uuid_format(&exchange->id, target);
    log_event(LEVEL_WARNING, event, log_request(&exchange->request), log_str("account_id", actor),
        log_str("target_id", target), log_str("address", exchange->request.address),
        log_str(what, value));
}

/* --- looking --- */

enum err users_list(struct exchange *exchange)
{
    const struct value *parameters = exchange->parameters;
    const struct uuid *before;
    struct uuid id;
    struct query *query;

    if (!page_before(exchange, &id, &before))
        return ERR_INVALID_CURSOR;
    query = exchange_query(exchange, STATEMENT_USERS_PAGE);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, before);
    bind_given(&parameters[P_ROLE], query);
    bind_given(&parameters[P_STATE], query);
    bind_given(&parameters[P_Q], query);
    query_int4(query, page_limit(exchange) + 1);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err users_listed(struct exchange *exchange)
{
    return page_reply_by_id(exchange, user_fields, countof(user_fields));
}

/* The account that starts in `column` of the only row, with its entity tag. */
static void render_user(struct exchange *exchange, int column)
{
    const struct rows *rows = &exchange->query.rows;

    exchange->reply.version = rows_int4(rows, 0, column + COLUMN_VERSION);
    fields_render(user_fields, countof(user_fields), rows, 0, column, &exchange->reply.json);
}

enum err users_get(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_USERS_GET);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err users_got(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    render_user(exchange, 0);
    return ERR_NONE;
}

/* --- changing --- */

/* What a merge patch may not say: nothing of it can be reset, and there must be a reason. */
static void check_change(struct exchange *exchange)
{
    const struct value *values = exchange->values;

    for (size_t i = 0; i < users_fields_count; i++)
        if (values[i].given && values[i].null)
            violation_add(&exchange->violations,
                arena_format(exchange->arena, "/%s", users_fields[i].name), NULL, "required",
                "The field cannot be null.");
    if (!values[F_REASON].given)
        violation_add(&exchange->violations, "/reason", NULL, "required",
            "Say why: it is kept in the audit record.");
}

enum err users_change(struct exchange *exchange)
{
    const struct value *values = exchange->values;
    struct query *query;

    check_change(exchange);
    if (exchange->violations.count > 0)
        return ERR_VALIDATION_FAILED;
    query = exchange_query(exchange, STATEMENT_USERS_CHANGE);
    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    precondition_bind(query, exchange->request.if_match, exchange->request.if_none_match);
    bind_given(&values[F_DISPLAY_NAME], query);
    bind_given(&values[F_ROLE], query);
    bind_given(&values[F_STATE], query);
    bind_given(&values[F_REASON], query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

/* Columns of users_change, behind the account. */
enum { COLUMN_STATE = 5, COLUMN_UPDATED = 9, COLUMN_ROLE_CHANGED, COLUMN_STATE_CHANGED };

static void log_changes(const struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows_bool(rows, 0, COLUMN_UPDATED))
        log_user(exchange, "user_updated", NULL, NULL);
    if (rows_bool(rows, 0, COLUMN_ROLE_CHANGED))
        log_user(exchange, "authz_change", NULL, NULL);
    if (!rows_bool(rows, 0, COLUMN_STATE_CHANGED))
        return;
    if (rows_is(rows, 0, COLUMN_STATE, "active"))
        log_user(exchange, "user_enabled", NULL, NULL);
    else
        log_user(exchange, "user_disabled", NULL, NULL);
}

enum err users_changed(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows->count == 0)
        return ERR_NOT_FOUND;
    if (!rows_bool(rows, 0, 0))
        return ERR_PRECONDITION_FAILED;
    log_changes(exchange);
    render_user(exchange, 1);
    return ERR_NONE;
}

/* --- throwing out --- */

enum err users_revoke(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_USERS_REVOKE);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    bind_given(&exchange->values[0], query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err users_revoked(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct json_out *json = &exchange->reply.json;

    if (rows->count == 0)
        return ERR_NOT_FOUND;
    log_user(exchange, "session_expired", "cause", "revoked");
    json_open_object(json);
    json_key(json, "sessions_ended");
    json_put_int(json, rows_int4(rows, 0, 1));
    json_key(json, "api_keys_revoked");
    json_put_int(json, rows_int4(rows, 0, 2));
    json_close_object(json);
    return ERR_NONE;
}

/* --- a link for whoever has forgotten the password --- */

enum err users_reset_link(struct exchange *exchange)
{
    struct link *link = arena_alloc(exchange->arena, sizeof *link);
    struct query *query;
    struct uuid id;

    if (link_draw(link) != 0)
        return ERR_INTERNAL;
    uuid_v7(&id);
    exchange->memory = link;
    query = exchange_query(exchange, STATEMENT_USERS_RESET_LINK);
    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, &id);
    query_bytes(query, link->hash, sizeof link->hash);
    query_int4(query, service_of(exchange)->config->mail.reset_lifetime_s);
    bind_given(&exchange->values[0], query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err users_reset_link_made(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    const struct link *link = exchange->memory;
    struct json_out *json = &exchange->reply.json;

    if (rows->count == 0)
        return ERR_NOT_FOUND;
    log_user(exchange, "authn_token_created", "entitlement", "password_reset");
    exchange->reply.status = 201;
    json_open_object(json);
    json_key(json, "token");
    json_put_string(json, link->text);
    json_key(json, "link");
    json_put_string(json, link_address(link, service_of(exchange)->config->mail.link_base,
                              LINK_PAGE_RESET, exchange->arena));
    json_key(json, "expires_at");
    json_put_timestamp(json, rows_timestamp(rows, 0, 0));
    json_close_object(json);
    return ERR_NONE;
}
