/*
 * arena.h: the memory of one request (or one configuration). Allocate freely, release all at once.
 * Nothing allocated here is ever freed on its own; objects of foreign libraries are registered with
 * arena_defer and go when the arena is reset. Out of memory aborts: no function returns NULL for
 * it.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena;

/* A new arena that grows in blocks of at least `block` bytes. Caller frees with arena_free. */
struct arena *arena_new(size_t block);

/* Runs what was deferred, then gives all memory back. NULL is allowed. */
void arena_free(struct arena *arena);

/* Runs what was deferred, newest first, and keeps the first block for the next use. */
void arena_reset(struct arena *arena);

/* `size` bytes, aligned for any type, uninitialized; owned by the arena. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* The same, zeroed. */
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* A NUL-terminated copy of `length` bytes; owned by the arena. */
char *arena_copy(struct arena *arena, const void *bytes, size_t length);

/* A copy of a string; NULL stays NULL. */
char *arena_string(struct arena *arena, const char *string);

/* A formatted string; owned by the arena. */
char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* `release(object)` is called when the arena is reset or freed. */
void arena_defer(struct arena *arena, void (*release)(void *), void *object);

/* Bytes of all blocks held, for the tests and the status page. */
size_t arena_held(const struct arena *arena);

#endif
