/*
 * base64url.c: three bytes, four characters. The decoder is for texts from outside and refuses
 * every spelling but the canonical one; libraries skip what they do not know, and then two texts
 * mean the same bytes.
 */
#include "auth/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *bytes, size_t length, char *out)
{
    const uint8_t *in = bytes;
    uint32_t bits = 0;
    int count = 0;
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | in[i];
        for (count += 8; count >= 6; count -= 6)
            out[written++] = alphabet[bits >> (count - 6) & 63];
    }
    if (count > 0)
        out[written++] = alphabet[bits << (6 - count) & 63];
    out[written] = '\0';
    return written;
}

/* The value of a character, or -1. */
static int value_of(char character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '-')
        return 62;
    return character == '_' ? 63 : -1;
}

ssize_t base64url_decode(const char *text, size_t length, void *out, size_t size)
{
    uint8_t *bytes = out;
    uint32_t bits = 0;
    int count = 0;
    size_t written = 0;

    if (length % 4 == 1 || length / 4 * 3 + length % 4 * 3 / 4 > size)
        return -1;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);

        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes[written++] = (uint8_t)(bits >> count);
        }
    }
    /* What is left over of the last character must be zero. */
    if ((bits & ((1u << count) - 1)) != 0)
        return -1;
    return (ssize_t)written;
}
