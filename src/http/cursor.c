/*
 * cursor.c: bytes one after the other.
 */
#include "http/cursor.h"

#include <endian.h>

struct text cursor_of_uuid(struct arena *arena, const struct uuid *uuid)
{
    return (struct text){arena_copy(arena, uuid->bytes, sizeof uuid->bytes), sizeof uuid->bytes};
}

struct text cursor_of_version(struct arena *arena, int32_t version)
{
    uint32_t bytes = htobe32((uint32_t)version);

    return (struct text){arena_copy(arena, &bytes, sizeof bytes), sizeof bytes};
}

struct text cursor_of_key(struct arena *arena, const struct uuid *uuid, const struct text *key)
{
    size_t length = sizeof uuid->bytes + key->length;
    char *bytes = arena_alloc(arena, length);

    memcpy(bytes, uuid->bytes, sizeof uuid->bytes);
    if (key->length > 0)
        memcpy(bytes + sizeof uuid->bytes, key->bytes, key->length);
    return (struct text){bytes, length};
}

bool cursor_uuid(const struct text *cursor, struct uuid *uuid)
{
    struct text key;

    return cursor_key(cursor, uuid, &key) && key.length == 0;
}

bool cursor_version(const struct text *cursor, int32_t *version)
{
    uint32_t bytes;

    if (cursor->length != sizeof bytes)
        return false;
    memcpy(&bytes, cursor->bytes, sizeof bytes);
    *version = (int32_t)be32toh(bytes);
    return *version > 0;
}

bool cursor_key(const struct text *cursor, struct uuid *uuid, struct text *key)
{
    if (cursor->length < sizeof uuid->bytes)
        return false;
    memcpy(uuid->bytes, cursor->bytes, sizeof uuid->bytes);
    *key = (struct text){cursor->bytes + sizeof uuid->bytes, cursor->length - sizeof uuid->bytes};
    return true;
}
