/*
 * buf.h: a growing run of bytes in an arena: reply bodies, header blocks, log lines.
 * Always NUL-terminated behind `length`, for the sake of debuggers and C libraries.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

struct buf {
    struct arena *arena; /* borrowed; owns `data` */
    char *data;
    size_t length;
    size_t size;
};

/* Starts empty with room for `size` bytes. */
void buf_init(struct buf *buf, struct arena *arena, size_t size);

/* Room for `more` bytes behind the end; returns the end. Follow it with buf_advance. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_advance(struct buf *buf, size_t length);

void buf_put(struct buf *buf, const void *bytes, size_t length);
void buf_puts(struct buf *buf, const char *string);
void buf_putc(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* A decimal number, several times faster than buf_printf. */
void buf_int(struct buf *buf, int64_t number);

#endif
