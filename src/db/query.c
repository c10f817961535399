/*
 * query.c: binding. Values are laid out in PostgreSQL's binary format once, in the arena of the
 * query.
 */
#include "db/query.h"

#include <endian.h>

/* Object identifiers of the built-in types, fixed since PostgreSQL began (pg_type.dat). */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_BYTEA_ARRAY = 1001,
    OID_DATE = 1082,
    OID_TIMESTAMPTZ = 1184,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_INET = 869,
    OID_UUID = 2950,
    OID_JSONB = 3802
};

void query_init(struct query *query, struct arena *arena, enum statement_id statement)
{
    memset(query, 0, sizeof *query);
    query->arena = arena;
    query->statement = statement;
}

void query_identity(struct query *query, const struct identity *identity)
{
    query->enter = true;
    query->identity = *identity;
}

/* type 0: any. */
static void bind(struct query *query, unsigned type, const void *value, size_t length, int format)
{
    const struct statement *statement = &statements[query->statement];

    if (query->bound >= statement->params || length > INT_MAX ||
        (type != 0 && statement->types[query->bound] != type))
        abort();
    query->values[query->bound] = value;
    query->lengths[query->bound] = (int)length;
    query->formats[query->bound] = format;
    query->bound++;
}

void query_null(struct query *query)
{
    bind(query, 0, NULL, 0, 1);
}

void query_uuid(struct query *query, const struct uuid *uuid)
{
    if (uuid == NULL)
        bind(query, OID_UUID, NULL, 0, 1);
    else
        bind(query, OID_UUID, arena_copy(query->arena, uuid->bytes, 16), 16, 1);
}

void query_text(struct query *query, const char *text, size_t length)
{
    bind(query, OID_TEXT, text, length, 1);
}

void query_string(struct query *query, const char *string)
{
    query_text(query, string, string == NULL ? 0 : strlen(string));
}

static char *big_endian(struct arena *arena, int32_t value)
{
    uint32_t bytes = htobe32((uint32_t)value);

    return arena_copy(arena, &bytes, sizeof bytes);
}

void query_bool(struct query *query, bool value)
{
    bind(query, OID_BOOL, value ? "\1" : "\0", 1, 1);
}

void query_bytes(struct query *query, const void *bytes, size_t length)
{
    bind(query, OID_BYTEA, bytes, length, 1);
}

void query_int4(struct query *query, int32_t value)
{
    bind(query, OID_INT4, big_endian(query->arena, value), 4, 1);
}

void query_int8(struct query *query, int64_t value)
{
    uint64_t bytes = htobe64((uint64_t)value);

    bind(query, OID_INT8, arena_copy(query->arena, &bytes, sizeof bytes), sizeof bytes, 1);
}

void query_date(struct query *query, int32_t days_since_2000)
{
    bind(query, OID_DATE, big_endian(query->arena, days_since_2000), 4, 1);
}

void query_cell(struct query *query, const void *bytes, size_t length)
{
    const struct statement *statement = &statements[query->statement];
    unsigned type = query->bound < statement->params ? statement->types[query->bound] : 0;

    if (type != OID_TEXT && !(type == OID_DATE && length == 4) &&
        !(type == OID_TIMESTAMPTZ && length == 8))
        abort();
    bind(query, type, bytes, length, 1);
}

void query_inet(struct query *query, const char *address)
{
    if (address == NULL || address[0] == '\0')
        bind(query, OID_INET, NULL, 0, 1);
    else
        bind(query, OID_INET, address, strlen(address), 0);
}

static char *put_u32(char *at, size_t value)
{
    uint32_t bytes = htobe32((uint32_t)value);

    memcpy(at, &bytes, sizeof bytes);
    return at + sizeof bytes;
}

/* The head of an array as array_recv reads it; an empty array has no dimension. */
static char *put_array_head(char *at, unsigned type, size_t count)
{
    at = put_u32(at, count > 0 ? 1 : 0);
    at = put_u32(at, 0);
    at = put_u32(at, type);
    if (count > 0) {
        at = put_u32(at, count);
        at = put_u32(at, 1);
    }
    return at;
}

static void bind_array(
    struct query *query, unsigned type, unsigned item_type, const struct text *texts, size_t count)
{
    size_t size = 20;
    char *value, *at;

    for (size_t i = 0; i < count; i++)
        size += 4 + texts[i].length;
    value = arena_alloc(query->arena, size);
    at = put_array_head(value, item_type, count);
    for (size_t i = 0; i < count; i++) {
        at = put_u32(at, texts[i].length);
        memcpy(at, texts[i].bytes, texts[i].length);
        at += texts[i].length;
    }
    bind(query, type, value, (size_t)(at - value), 1);
}

void query_text_array(struct query *query, const struct text *texts, size_t count)
{
    bind_array(query, OID_TEXT_ARRAY, OID_TEXT, texts, count);
}

void query_bytes_array(struct query *query, const struct text *values, size_t count)
{
    bind_array(query, OID_BYTEA_ARRAY, OID_BYTEA, values, count);
}

void query_int4_array(struct query *query, const int32_t *values, size_t count)
{
    char *value = arena_alloc(query->arena, 20 + count * 8);
    char *at = put_array_head(value, OID_INT4, count);

    for (size_t i = 0; i < count; i++) {
        at = put_u32(at, 4);
        at = put_u32(at, (size_t)(uint32_t)values[i]);
    }
    bind(query, OID_INT4_ARRAY, value, (size_t)(at - value), 1);
}

/* As jsonb_recv reads it: a version, and the text. */
void query_json(struct query *query, const char *json, size_t length)
{
    char *value = arena_alloc(query->arena, length + 1);

    value[0] = 1;
    memcpy(value + 1, json, length);
    bind(query, OID_JSONB, value, length + 1, 1);
}
