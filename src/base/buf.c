/*
 * buf.c: doubling growth inside an arena. The old bytes stay in the arena until its reset, which
 * costs at most as much again and saves every free; a good first size avoids even that.
 */
#include "base/buf.h"

void buf_init(struct buf *buf, struct arena *arena, size_t size)
{
    buf->arena = arena;
    buf->data = arena_alloc(arena, size + 1);
    buf->data[0] = '\0';
    buf->length = 0;
    buf->size = size;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    if (more > buf->size - buf->length) {
        size_t size = MAX(buf->size * 2, buf->length + more);
        char *data = arena_alloc(buf->arena, size + 1);

        memcpy(data, buf->data, buf->length + 1);
        buf->data = data;
        buf->size = size;
    }
    return buf->data + buf->length;
}

void buf_advance(struct buf *buf, size_t length)
{
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void buf_put(struct buf *buf, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(buf_reserve(buf, length), bytes, length);
    buf_advance(buf, length);
}

void buf_puts(struct buf *buf, const char *string)
{
    buf_put(buf, string, strlen(string));
}

void buf_putc(struct buf *buf, char byte)
{
    *buf_reserve(buf, 1) = byte;
    buf_advance(buf, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0)
        abort();
    buf_reserve(buf, (size_t)length);
    va_start(values, format);
    vsnprintf(buf->data + buf->length, (size_t)length + 1, format, values);
    va_end(values);
    buf_advance(buf, (size_t)length);
}

void buf_int(struct buf *buf, int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    buf_put(buf, digits + at, sizeof digits - at);
}
