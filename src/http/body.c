/*
 * body.c: from bytes to checked values: its size, its media type, JSON, and then each field of it,
 * or of each item of a list.
 */
#include "http/body.h"

/* Each item of a list; what is wrong with it is told with its place. */
static void read_list(struct exchange *exchange, const struct json *list)
{
    const struct route *route = exchange->route;
    struct violations *violations = &exchange->violations;
    size_t count = json_array_length(list);

    if (count < 1 || count > ROUTE_LIST_MAX) {
        violation_add(violations, "", NULL, count < 1 ? "too_short" : "too_many",
            arena_format(exchange->arena, "1 to %d items are allowed.", ROUTE_LIST_MAX));
        return;
    }
    exchange->items =
        arena_alloc(exchange->arena, count * route->field_count * sizeof(struct value));
    exchange->item_count = count;
    memset(exchange->items, 0, count * route->field_count * sizeof(struct value));
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_array_at(list, i);

        violations->base = arena_format(exchange->arena, "/%zu", i);
        if (json_kind(item) != JSON_KIND_OBJECT)
            violation_add(violations, violations->base, NULL, "wrong_type", "An object is needed.");
        else
            fields_read(route->fields, route->field_count, item, FIELD_WHOLE,
                &exchange->items[i * route->field_count], violations);
    }
    violations->base = NULL;
}

/* Bodies are taken as they are (RFC 9110 section 8.4). */
static bool is_coded(const char *content_encoding)
{
    return content_encoding != NULL && strcasecmp(content_encoding, "identity") != 0;
}

enum err body_check(struct exchange *exchange)
{
    static const char json_type[] = "application/json";
    static const char merge_type[] = "application/merge-patch+json";
    const struct route *route = exchange->route;
    const struct fastcgi_body *body = &exchange->request.body;
    bool merge = route->body == BODY_MERGE;
    bool list = route->body == BODY_LIST, coded;
    const struct json *json;
    enum err err;

    if (body->bytes == NULL)
        return ERR_PAYLOAD_TOO_LARGE;
    if (route->body == BODY_NONE)
        return ERR_NONE;
    if (route->body == BODY_OPTIONAL && body->length == 0) {
        memset(exchange->values, 0, sizeof *exchange->values * route->field_count);
        return ERR_NONE;
    }
    coded = is_coded(exchange->request.content_encoding);
    if (coded || !media_type_is(exchange->request.content_type, merge ? merge_type : json_type)) {
        exchange->reply.accept_patch = merge ? merge_type : NULL;
        exchange->reply.accept_post = merge ? NULL : json_type;
        exchange->reply.accept_encoding = coded ? "identity" : NULL;
        return ERR_UNSUPPORTED_MEDIA_TYPE;
    }
    json = json_parse(exchange->arena, body->bytes, body->length, &exchange->detail);
    if (json == NULL)
        return ERR_INVALID_JSON;
    if (json_kind(json) != (list ? JSON_KIND_ARRAY : JSON_KIND_OBJECT)) {
        violation_add(&exchange->violations, "", NULL, "wrong_type",
            list ? "An array is needed." : "An object is needed.");
        return ERR_VALIDATION_FAILED;
    }
    if (list)
        read_list(exchange, json);
    else
        fields_read(route->fields, route->field_count, json, merge ? FIELD_MERGE : FIELD_WHOLE,
            exchange->values, &exchange->violations);
    err = route->check == NULL ? ERR_NONE : route->check(exchange);
    if (err != ERR_NONE)
        return err;
    return exchange->violations.count > 0 ? ERR_VALIDATION_FAILED : ERR_NONE;
}
