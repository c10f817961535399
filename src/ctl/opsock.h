/*
 * opsock.h: asking the ops worker of a pool what nginx would ask it, on its Unix socket. It answers
 * while every other worker is busy, so waiting is bounded tightly.
 */
#ifndef CTL_OPSOCK_H
#define CTL_OPSOCK_H

#include "base/arena.h"

enum { OPSOCK_WAIT_MS = 2000 };

/*
 * GETs `uri` (of less than 128 bytes). The body, NUL-terminated and owned by the arena, when the
 * answer is a 200; else NULL with one phrase in `error`.
 */
const char *opsock_get(const char *path, const char *uri, struct arena *arena, size_t *length,
    char *error, size_t size);

#endif
