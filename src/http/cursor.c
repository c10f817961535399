/*
 * cursor.c: one letter for the kind, then hexadecimal digits: short, safe in a query string, and
 * with exactly one form for each position.
 */
#include "http/cursor.h"

static char *make(struct arena *arena, char kind, const uint8_t *bytes, size_t count)
{
    static const char hex[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * count + 2);

    text[0] = kind;
    for (size_t i = 0; i < count; i++) {
        text[1 + 2 * i] = hex[bytes[i] >> 4];
        text[2 + 2 * i] = hex[bytes[i] & 15];
    }
    text[2 * count + 1] = '\0';
    return text;
}

static int digit(char hex)
{
    if (hex >= '0' && hex <= '9')
        return hex - '0';
    return hex >= 'a' && hex <= 'f' ? hex - 'a' + 10 : -1;
}

static bool take(const char *text, size_t length, char kind, uint8_t *bytes, size_t count)
{
    if (length != 2 * count + 1 || text[0] != kind)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = digit(text[1 + 2 * i]), low = digit(text[2 + 2 * i]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

char *cursor_of_uuid(struct arena *arena, const struct uuid *uuid)
{
    return make(arena, 'u', uuid->bytes, sizeof uuid->bytes);
}

char *cursor_of_version(struct arena *arena, int32_t version)
{
    uint32_t value = (uint32_t)version;
    uint8_t bytes[] = {
        (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};

    return make(arena, 'v', bytes, sizeof bytes);
}

bool cursor_uuid(const char *text, size_t length, struct uuid *uuid)
{
    return take(text, length, 'u', uuid->bytes, sizeof uuid->bytes);
}

bool cursor_version(const char *text, size_t length, int32_t *version)
{
    uint8_t bytes[4];

    if (!take(text, length, 'v', bytes, sizeof bytes))
        return false;
    *version = (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                         (uint32_t)bytes[2] << 8 | bytes[3]);
    return *version > 0;
}
