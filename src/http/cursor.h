/*
 * cursor.h: where a page of a list ends: what is inside of a cursor, before it is sealed. A list by
 * id ends at an id; one in another order also at a key, kept as PostgreSQL sent it; a history at a
 * version. Who reads one knows which it must be, as the context of the seal says which list it is.
 */
#ifndef HTTP_CURSOR_H
#define HTTP_CURSOR_H

#include "base/arena.h"
#include "base/uuid.h"
#include "db/query.h"

/* Owned by the arena. */
struct text cursor_of_uuid(struct arena *arena, const struct uuid *uuid);
struct text cursor_of_version(struct arena *arena, int32_t version);
struct text cursor_of_key(struct arena *arena, const struct uuid *uuid, const struct text *key);

/* False when it is not of that kind. The key is borrowed from the cursor. */
bool cursor_uuid(const struct text *cursor, struct uuid *uuid);
bool cursor_version(const struct text *cursor, int32_t *version);
bool cursor_key(const struct text *cursor, struct uuid *uuid, struct text *key);

#endif
