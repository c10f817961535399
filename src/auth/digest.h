/*
 * digest.h: SHA-256, for what is no secret.
 */
#ifndef AUTH_DIGEST_H
#define AUTH_DIGEST_H

#include "base/base.h"

/* -1 when the library fails. */
int digest_sha256(const void *bytes, size_t length, uint8_t digest[32]);

#endif
