/*
 * utf8.h: text from outside: is it UTF-8 (RFC 3629), and how many characters (code points) does it
 * have.
 */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include "base/base.h"

/*
 * Decodes the code point at `*at`, which is below `length`, and moves behind it; -1 when it is
 * malformed.
 */
int32_t utf8_next(const char *text, size_t length, size_t *at);

/* The number of code points, or -1 when it is not UTF-8. */
ptrdiff_t utf8_length(const char *text, size_t length);

/*
 * Neither control characters (C0, DEL, C1; with `lines`, line breaks and tabs are let pass) nor
 * noncharacters (RFC 7493). The text is UTF-8.
 */
bool utf8_printable(const char *text, size_t length, bool lines);

#endif
