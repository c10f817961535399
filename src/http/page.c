/*
 * page.c: what all lists have in common: the limit, the rows as items, the way to the next page.
 */
#include "http/page.h"

#include "http/cursor.h"

int32_t page_limit(const struct exchange *exchange)
{
    const struct value *limit = &exchange->parameters[PAGE_LIMIT];

    return limit->given ? (int32_t)limit->number : PAGE_LIMIT_DEFAULT;
}

/*
 * What a cursor is good for: who asks, for which list, and what decides its content and order. The
 * length of each value keeps one list of parameters from looking like another.
 */
static struct text context_of(const struct exchange *exchange)
{
    const struct route *route = exchange->route;
    struct buf context;

    buf_init(&context, exchange->arena, 256);
    buf_put(&context, &exchange->principal.account, sizeof exchange->principal.account);
    buf_put(&context, route->path, strlen(route->path) + 1);
    buf_put(&context, &exchange->id, sizeof exchange->id);
    for (size_t i = PAGE_OWN; i < route->parameter_count; i++) {
        const struct text *text = &exchange->parameters[i].text;

        if (!exchange->parameters[i].given || (route->parameters[i].flags & FIELD_VIEW) != 0)
            continue;
        buf_printf(&context, "%s=%zu:", route->parameters[i].name, text->length);
        buf_put(&context, text->bytes, text->length);
    }
    return (struct text){context.data, context.length};
}

bool page_position(struct exchange *exchange, struct text *position)
{
    const struct value *cursor = &exchange->parameters[PAGE_CURSOR];
    struct text context;

    *position = (struct text){NULL, 0};
    if (!cursor->given)
        return true;
    context = context_of(exchange);
    return exchange->app->cursor_open(
        exchange->app, exchange->arena, &context, &cursor->text, position);
}

bool page_before(struct exchange *exchange, struct uuid *id, const struct uuid **before)
{
    struct text position;

    if (!page_position(exchange, &position))
        return false;
    *before = position.bytes == NULL ? NULL : id;
    return position.bytes == NULL || cursor_uuid(&position, id);
}

bool page_more(const struct exchange *exchange)
{
    return exchange->query.rows.count > page_limit(exchange);
}

/* Percent-encodes what is not unreserved (RFC 3986 section 2.3). */
static void put_encoded(struct buf *out, const struct text *text)
{
    static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-._~";

    for (size_t i = 0; i < text->length; i++) {
        unsigned char byte = (unsigned char)text->bytes[i];

        if (byte != '\0' && strchr(unreserved, byte) != NULL)
            buf_putc(out, (char)byte);
        else
            buf_printf(out, "%%%02X", byte);
    }
}

/* The same parameters with another cursor. */
static const char *link_to(const struct exchange *exchange, const char *next)
{
    const struct route *route = exchange->route;
    struct buf link;

    buf_init(&link, exchange->arena, 256);
    buf_printf(
        &link, "<%s?limit=%d&cursor=%s", exchange->request.target, page_limit(exchange), next);
    for (size_t i = PAGE_OWN; i < route->parameter_count; i++) {
        if (!exchange->parameters[i].given)
            continue;
        buf_printf(&link, "&%s=", route->parameters[i].name);
        put_encoded(&link, &exchange->parameters[i].text);
    }
    buf_puts(&link, ">; rel=\"next\"");
    return link.data;
}

void page_begin(struct exchange *exchange)
{
    enum { ROW_SIZE = 512 }; /* about; growing costs a copy */
    struct json_out *json = &exchange->reply.json;
    int32_t rows = MIN(exchange->query.rows.count, page_limit(exchange));

    buf_reserve(&exchange->reply.body, (size_t)(rows + 1) * ROW_SIZE);
    json_open_object(json);
    json_key(json, "items");
    json_open_array(json);
}

enum err page_end(struct exchange *exchange, const struct text *last, const int64_t *count)
{
    struct json_out *json = &exchange->reply.json;
    const char *next = NULL;

    if (last != NULL) {
        struct text context = context_of(exchange);

        next = exchange->app->cursor_make(exchange->app, exchange->arena, &context, last);
        if (next == NULL)
            return ERR_INTERNAL;
        exchange->reply.link = link_to(exchange, next);
    }
    json_close_array(json);
    json_key(json, "page");
    json_open_object(json);
    json_key(json, "limit");
    json_put_int(json, page_limit(exchange));
    json_key(json, "next");
    json_put_string(json, next);
    if (count != NULL) {
        json_key(json, "estimated_count");
        json_put_int(json, *count);
    }
    json_close_object(json);
    json_close_object(json);
    return ERR_NONE;
}

enum err page_reply(
    struct exchange *exchange, const struct field *fields, size_t count, const struct text *last)
{
    const struct rows *rows = &exchange->query.rows;

    page_begin(exchange);
    for (int row = 0; row < MIN(rows->count, page_limit(exchange)); row++)
        fields_render(fields, count, rows, row, 0, &exchange->reply.json);
    return page_end(exchange, last, NULL);
}

enum err page_reply_by_id(struct exchange *exchange, const struct field *fields, size_t count)
{
    struct text last;

    if (!page_more(exchange))
        return page_reply(exchange, fields, count, NULL);
    last = cursor_of_uuid(
        exchange->arena, rows_uuid(&exchange->query.rows, page_limit(exchange) - 1, 0));
    return page_reply(exchange, fields, count, &last);
}
