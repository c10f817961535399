/*
 * cursor.h: the opaque text that says where the next page begins.
 */
#ifndef HTTP_CURSOR_H
#define HTTP_CURSOR_H

#include "base/arena.h"
#include "base/uuid.h"

/* A cursor behind this id, and behind this version; owned by the arena. */
char *cursor_of_uuid(struct arena *arena, const struct uuid *uuid);
char *cursor_of_version(struct arena *arena, int32_t version);

/* False when the text is not a cursor of that kind. */
bool cursor_uuid(const char *text, size_t length, struct uuid *uuid);
bool cursor_version(const char *text, size_t length, int32_t *version);

#endif
