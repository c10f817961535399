/*
 * base64url.h: base64url without padding (RFC 4648 section 5, as RFC 7515 uses it). Decoding is
 * strict: one text for one run of bytes, so that nobody can write the same token in two ways.
 */
#ifndef AUTH_BASE64URL_H
#define AUTH_BASE64URL_H

#include "base/base.h"

/* Characters that `length` bytes take, without the NUL. */
#define BASE64URL_LENGTH(length) (((length)*4 + 2) / 3)

/* Writes BASE64URL_LENGTH(length) characters and a NUL; returns the number of characters. */
size_t base64url_encode(const void *bytes, size_t length, char *out);

/*
 * Decodes all `length` characters into at most `size` bytes. -1 when a character is foreign
 * (padding and white space too), when the length is impossible, when unused bits of the last
 * character are not zero, or when it does not fit.
 */
ssize_t base64url_decode(const char *text, size_t length, void *out, size_t size);

#endif
