/*
 * idempotency.c: the key, what it stands for, and the answer that is stored under it. Status,
 * Location, the number of the ETag and the body are all that a handler's answer consists of.
 */
#include "http/idempotency.h"

/* Columns of idempotency_get. */
enum { COLUMN_STATUS, COLUMN_LOCATION, COLUMN_VERSION, COLUMN_BODY };

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

bool idempotency_parse(struct arena *arena, const char *header, struct text *key)
{
    const char *at = skip_blanks(header);
    char *text;
    size_t length = 0;

    if (*at++ != '"')
        return false;
    text = arena_alloc(arena, IDEMPOTENCY_KEY_MAX + 1);
    for (; *at != '"'; at++) {
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at++;
        else if (*at < ' ' || *at > '~' || *at == '\\')
            return false;
        if (length == IDEMPOTENCY_KEY_MAX)
            return false;
        text[length++] = *at;
    }
    text[length] = '\0';
    *key = (struct text){text, length};
    return length > 0 && *skip_blanks(at + 1) == '\0';
}

/* What the key stands for: the same method, path and body, byte for byte. */
static int fingerprint(const struct exchange *exchange, uint8_t digest[32])
{
    const struct request *request = &exchange->request;
    struct buf text;

    buf_init(&text, exchange->arena, request->body.length + 256);
    buf_printf(&text, "%s %s\n", method_name(request->method), request->path);
    buf_put(&text, request->body.bytes, request->body.length);
    return exchange->app->digest(text.data, text.length, digest);
}

static struct query *new_query(const struct exchange *exchange, enum statement_id statement)
{
    struct query *query = arena_alloc(exchange->arena, sizeof *query);

    query_init(query, exchange->arena, statement);
    return query;
}

static void bind_key(struct query *query, const struct exchange *exchange)
{
    query_uuid(query, &exchange->principal.account);
    query_text(query, exchange->key.bytes, exchange->key.length);
}

enum err idempotency_begin(struct exchange *exchange)
{
    struct query *query = new_query(exchange, STATEMENT_IDEMPOTENCY_BEGIN);

    exchange->fingerprint = arena_alloc(exchange->arena, 32);
    if (fingerprint(exchange, exchange->fingerprint) != 0)
        return ERR_INTERNAL;
    bind_key(query, exchange);
    query_bytes(query, exchange->fingerprint, 32);
    exchange->query.before = query;
    return ERR_NONE;
}

struct query *idempotency_store(struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    struct query *query = new_query(exchange, STATEMENT_IDEMPOTENCY_STORE);
    char *name = arena_alloc(exchange->arena, ROUTE_NAME_SIZE);

    bind_key(query, exchange);
    query_bytes(query, exchange->fingerprint, 32);
    query_string(query, route_name(exchange->route, name, ROUTE_NAME_SIZE));
    query_int4(query, reply->status);
    query_string(query, reply->location);
    query_int4(query, reply->version);
    query_text(query, reply->body.data, reply->body.length);
    return query;
}

void idempotency_ask(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_IDEMPOTENCY_GET);

    bind_key(query, exchange);
}

enum err idempotency_answer(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct reply *reply = &exchange->reply;
    const char *text;
    size_t length;

    /* It was there a moment ago, and is kept for an hour longer than it is good. */
    if (rows->count != 1)
        return ERR_INTERNAL;
    reply->status = rows_int4(rows, 0, COLUMN_STATUS);
    reply->version = rows_int4(rows, 0, COLUMN_VERSION);
    if (!rows_null(rows, 0, COLUMN_LOCATION)) {
        text = rows_text(rows, 0, COLUMN_LOCATION, &length);
        reply->location = arena_format(exchange->arena, "%.*s", (int)length, text);
    }
    text = rows_text(rows, 0, COLUMN_BODY, &length);
    buf_put(&reply->body, text, length);
    return ERR_NONE;
}
