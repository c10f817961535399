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

bool page_before(const struct exchange *exchange, struct uuid *id, const struct uuid **before)
{
    const struct value *cursor = &exchange->parameters[PAGE_CURSOR];

    *before = cursor->given ? id : NULL;
    return !cursor->given || cursor_uuid(cursor->text.bytes, cursor->text.length, id);
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

void page_reply(
    struct exchange *exchange, const struct field *fields, size_t count, const char *next)
{
    const struct rows *rows = &exchange->query.rows;
    struct json_out *json = &exchange->reply.json;
    int32_t limit = page_limit(exchange);

    json_open_object(json);
    json_key(json, "items");
    json_open_array(json);
    for (int row = 0; row < MIN(rows->count, limit); row++)
        fields_render(fields, count, rows, row, 0, json);
    json_close_array(json);
    json_key(json, "page");
    json_open_object(json);
    json_key(json, "limit");
    json_put_int(json, limit);
    json_key(json, "next");
    json_put_string(json, next);
    json_close_object(json);
    json_close_object(json);
    if (next != NULL)
        exchange->reply.link = link_to(exchange, next);
}

void page_reply_by_id(struct exchange *exchange, const struct field *fields, size_t count)
{
    const char *next = NULL;

    if (page_more(exchange))
        next = cursor_of_uuid(
            exchange->arena, rows_uuid(&exchange->query.rows, page_limit(exchange) - 1, 0));
    page_reply(exchange, fields, count, next);
}
