/*
 * arena.c: a chain of blocks with a bump pointer, and a list of release functions kept in the arena
 * itself. The first block survives a reset, so that a steady worker stops calling malloc; later
 * blocks are given back, so that one large request does not stay in memory for ever.
 */
#include "base/arena.h"

#define ALIGNMENT _Alignof(max_align_t)

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

struct deferred {
    struct deferred *next;
    void (*release)(void *);
    void *object;
};

struct arena {
    struct block *first;
    struct block *current;
    struct deferred *deferred;
    size_t block_size;
};

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof *block + size);

    if (block == NULL)
        base_out_of_memory();
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

static void run_deferred(struct arena *arena)
{
    while (arena->deferred != NULL) {
        struct deferred *deferred = arena->deferred;

        arena->deferred = deferred->next;
        deferred->release(deferred->object);
    }
}

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;

        free(block);
        block = next;
    }
}

struct arena *arena_new(size_t block)
{
    struct arena *arena = malloc(sizeof *arena);

    if (arena == NULL)
        base_out_of_memory();
    arena->first = arena->current = block_new(block);
    arena->deferred = NULL;
    arena->block_size = block;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    run_deferred(arena);
    free_blocks(arena->first);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    run_deferred(arena);
    free_blocks(arena->first->next);
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->current = arena->first;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct block *block = arena->current;
    void *memory;

    if (size > SIZE_MAX / 2)
        base_out_of_memory();
    size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (size > block->size - block->used) {
        block->next = block_new(MAX(size, arena->block_size));
        block = arena->current = block->next;
    }
    memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc(arena, size), 0, size);
}

char *arena_copy(struct arena *arena, const void *bytes, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *arena_string(struct arena *arena, const char *string)
{
    return string == NULL ? NULL : arena_copy(arena, string, strlen(string));
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list values;
    int length;
    char *text;

    va_start(values, format);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0)
        abort();
    text = arena_alloc(arena, (size_t)length + 1);
    va_start(values, format);
    vsnprintf(text, (size_t)length + 1, format, values);
    va_end(values);
    return text;
}

void arena_defer(struct arena *arena, void (*release)(void *), void *object)
{
    struct deferred *deferred = arena_alloc(arena, sizeof *deferred);

    deferred->next = arena->deferred;
    deferred->release = release;
    deferred->object = object;
    arena->deferred = deferred;
}

size_t arena_held(const struct arena *arena)
{
    size_t held = 0;

    for (const struct block *block = arena->first; block != NULL; block = block->next)
        held += block->size;
    return held;
}
