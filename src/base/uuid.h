/*
 * uuid.h: the keys of every table: UUID version 7 (RFC 9562), made here and not in the database, so
 * that a request knows the key before it is sent. Those of one process are strictly increasing,
 * also within a millisecond and when the clock is set back.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/base.h"

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_SIZE = 37 }; /* the text and its NUL */

/* A new one. Aborts when the kernel has no randomness. */
void uuid_v7(struct uuid *uuid);

/* Exactly the form 8-4-4-4-12 in hexadecimal digits of either case, any version. */
bool uuid_parse(const char *text, size_t length, struct uuid *uuid);

/* Lower case, NUL-terminated. */
void uuid_format(const struct uuid *uuid, char out[UUID_SIZE]);

#endif
