/*
 * json_in.c: the fence of jansson. `struct json` is never defined: it is jansson's json_t under
 * another name, so that no other file needs the library's header. A document's reference is dropped
 * by the arena; everything below it is borrowed from it.
 */
#include "http/json_in.h"

#include <jansson.h>

#include <math.h>

static json_t *as_json(const struct json *value)
{
    return (json_t *)(uintptr_t)value;
}

static const struct json *from_json(const json_t *value)
{
    return (const struct json *)value;
}

static void release(void *root)
{
    json_decref(root);
}

/* How much of jansson's message is for the client: not the piece of the body that it quotes at the
 * end. */
static int phrase_length(const char *text)
{
    const char *near = strstr(text, " near '");
    const char *escape = strstr(text, " '\\");
    const char *end = near != NULL ? near : escape;

    return (int)(end != NULL ? (size_t)(end - text) : strlen(text));
}

const struct json *json_parse(
    struct arena *arena, const char *bytes, size_t length, const char **reason)
{
    json_error_t error;
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (root == NULL) {
        *reason = arena_format(arena, "line %d, column %d: %.*s", error.line, error.column,
            phrase_length(error.text), error.text);
        return NULL;
    }
    arena_defer(arena, release, root);
    return from_json(root);
}

enum json_kind json_kind(const struct json *value)
{
    switch (json_typeof(as_json(value))) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
        return JSON_KIND_INTEGER;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_KIND_NULL;
}

const char *json_text(const struct json *value, size_t *length)
{
    *length = json_string_length(as_json(value));
    return json_string_value(as_json(value));
}

bool json_whole(const struct json *value, int64_t *number)
{
    static const int64_t limit = INT64_C(1) << 53;
    json_t *json = as_json(value);

    if (json_is_integer(json)) {
        *number = json_integer_value(json);
        return *number >= -limit && *number <= limit;
    }
    if (json_is_real(json)) {
        double real = json_real_value(json);

        if (fabs(real) > (double)limit || real != floor(real))
            return false;
        *number = (int64_t)real;
        return true;
    }
    return false;
}

size_t json_array_length(const struct json *array)
{
    return json_array_size(as_json(array));
}

const struct json *json_array_at(const struct json *array, size_t index)
{
    return from_json(json_array_get(as_json(array), index));
}

const struct json *json_member(const struct json *object, const char *name)
{
    return from_json(json_object_get(as_json(object), name));
}

void *json_members(
    const struct json *object, void *at, const char **name, const struct json **value)
{
    json_t *json = as_json(object);
    void *iterator = at == NULL ? json_object_iter(json) : json_object_iter_next(json, at);

    if (iterator != NULL) {
        *name = json_object_iter_key(iterator);
        *value = from_json(json_object_iter_value(iterator));
    }
    return iterator;
}
