/*
 * json_in.h: strict JSON that comes in (I-JSON, RFC 7493): UTF-8, unique keys, nothing behind the
 * end. A parsed document and everything in it is owned by the arena.
 */
#ifndef HTTP_JSON_IN_H
#define HTTP_JSON_IN_H

#include "base/arena.h"

/* A value of a parsed document; opaque. */
struct json;

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};

/* NULL when it is not JSON; *reason is then one phrase for the client, owned by the arena. */
const struct json *json_parse(
    struct arena *arena, const char *bytes, size_t length, const char **reason);

enum json_kind json_kind(const struct json *value);

/* A string's bytes; may contain NUL. */
const char *json_text(const struct json *value, size_t *length);

/* An integer, also one written as 3.0; false when it is not integral or not within 53 bits. */
bool json_whole(const struct json *value, int64_t *number);

size_t json_array_length(const struct json *array);
const struct json *json_array_at(const struct json *array, size_t index);

/* The member of an object, or NULL. */
const struct json *json_member(const struct json *object, const char *name);

/* Walks the members: start with NULL; NULL at the end. The name and value are borrowed. */
void *json_members(
    const struct json *object, void *at, const char **name, const struct json **value);

#endif
