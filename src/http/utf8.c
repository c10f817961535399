/*
 * utf8.c: one decoder, strict about overlong forms, surrogates and the end of Unicode.
 */
#include "http/utf8.h"

int32_t utf8_next(const char *text, size_t length, size_t *at)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[*at];
    unsigned more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    int32_t point = more == 0 ? first : first & (0x3f >> more);

    if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
        return -1;
    if (more >= length - *at)
        return -1;
    for (unsigned i = 1; i <= more; i++) {
        unsigned char byte = (unsigned char)text[*at + i];

        if ((byte & 0xc0) != 0x80)
            return -1;
        point = (point << 6) | (byte & 0x3f);
    }
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return -1;
    *at += more + 1;
    return point;
}

ptrdiff_t utf8_length(const char *text, size_t length)
{
    ptrdiff_t count = 0;

    for (size_t at = 0; at < length; count++)
        if (utf8_next(text, length, &at) < 0)
            return -1;
    return count;
}

bool utf8_printable(const char *text, size_t length, bool lines)
{
    size_t at = 0;

    while (at < length) {
        int32_t point = utf8_next(text, length, &at);

        if (lines && (point == '\n' || point == '\r' || point == '\t'))
            continue;
        if (point < 0x20 || (point >= 0x7f && point <= 0x9f))
            return false;
        if ((point & 0xfffe) == 0xfffe || (point >= 0xfdd0 && point <= 0xfdef))
            return false;
    }
    return true;
}
