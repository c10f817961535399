/*
 * api_keys.c: a key is shown once, when it is made; afterwards nobody can tell it, only that it is
 * there, what it may do, and when it was used.
 */
#include "api/api_keys.h"

#include "api/service.h"
#include "auth/api_key.h"
#include "base/log.h"
#include "http/page.h"

enum { DAYS_DEFAULT = 90, DAYS_MAX = 365 };

static const char *const scopes[] = {"pets:read", "pets:write", NULL};

enum { F_NAME, F_SCOPES, F_DAYS };

const struct field api_keys_fields[api_keys_fields_count] = {
    [F_NAME] = {"name", FIELD_STRING, FIELD_REQUIRED, 1, 80},
    [F_SCOPES] = {"scopes", FIELD_STRINGS, FIELD_REQUIRED, 1, 16, 2, .words = scopes},
    [F_DAYS] = {"expires_in_days", FIELD_INTEGER, 0, 1, DAYS_MAX},
};

const struct field api_keys_parameters[api_keys_parameters_count] = {PAGE_PARAMETERS};

/* In the order of the columns of the api_key statements. */
static const struct field key_fields[] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"name", FIELD_STRING, FIELD_READ_ONLY},
    {"scopes", FIELD_STRINGS, FIELD_READ_ONLY},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"expires_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"last_used_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
};

static void log_key(const struct exchange *exchange, const struct uuid *key, const char *scope)
{
    char account[UUID_SIZE], id[UUID_SIZE];

    uuid_format(&exchange->principal.account, account);
    uuid_format(key, id);
    log_event(LEVEL_INFO, scope != NULL ? "authn_token_created" : "authn_token_revoked",
        log_request(&exchange->request), log_str("account_id", account), log_str("api_key_id", id),
        log_str(scope == NULL ? NULL : "entitlement", scope));
}

/* The scopes with blanks between, as the audit record has them. */
static const char *scope_text(struct exchange *exchange)
{
    const struct value *value = &exchange->values[F_SCOPES];
    const char *text = "";

    for (size_t i = 0; i < value->count; i++)
        text = arena_format(exchange->arena, "%s%s%.*s", text, i == 0 ? "" : " ",
            (int)value->texts[i].length, value->texts[i].bytes);
    return text;
}

/* --- making one --- */

enum err api_keys_create(struct exchange *exchange)
{
    const struct value *values = exchange->values;
    struct api_key *key = arena_zalloc(exchange->arena, sizeof *key);
    struct query *query;

    if (values[F_SCOPES].count == 0) {
        violation_add(
            &exchange->violations, "/scopes", NULL, "too_short", "At least one scope is needed.");
        return ERR_VALIDATION_FAILED;
    }
    if (api_key_make(&exchange->principal.account, key) != 0)
        return ERR_INTERNAL;
    exchange->memory = key;
    query = exchange_query(exchange, STATEMENT_API_KEY_CREATE);
    query_uuid(query, &key->id);
    query_uuid(query, &exchange->principal.account);
    query_text(query, values[F_NAME].text.bytes, values[F_NAME].text.length);
    query_text_array(query, values[F_SCOPES].texts, values[F_SCOPES].count);
    query_bytes(query, key->hash, sizeof key->hash);
    query_int4(query, values[F_DAYS].given ? (int32_t)values[F_DAYS].number : DAYS_DEFAULT);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    query_uuid(query, &exchange->principal.session);
    return ERR_NONE;
}

enum err api_keys_created(struct exchange *exchange)
{
    const struct api_key *key = exchange->memory;
    struct json_out *json = &exchange->reply.json;

    if (exchange->query.rows.count != 1)
        return ERR_TOO_MANY_KEYS;
    exchange->reply.status = 201;
    json_open_object(json);
    json_key(json, "key");
    json_put_string(json, key->text);
    json_key(json, "api_key");
    fields_render(key_fields, countof(key_fields), &exchange->query.rows, 0, 0, json);
    json_close_object(json);
    log_key(exchange, &key->id, scope_text(exchange));
    return ERR_NONE;
}

/* --- looking at them --- */

enum err api_keys_list(struct exchange *exchange)
{
    const struct uuid *before;
    struct uuid id;
    struct query *query;

    if (!page_before(exchange, &id, &before))
        return ERR_INVALID_CURSOR;
    query = exchange_query(exchange, STATEMENT_API_KEY_LIST);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, before);
    query_int4(query, page_limit(exchange) + 1);
    return ERR_NONE;
}

enum err api_keys_listed(struct exchange *exchange)
{
    return page_reply_by_id(exchange, key_fields, countof(key_fields));
}

/* --- revoking --- */

enum err api_keys_revoke(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_API_KEY_REVOKE);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err api_keys_revoked(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    log_key(exchange, &exchange->id, NULL);
    exchange->reply.status = 204;
    return ERR_NONE;
}
