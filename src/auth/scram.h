/*
 * scram.h: what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 7677), so that it can be told
 * that and never the password, which then is in none of its logs.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "base/base.h"

enum { SCRAM_SALT_SIZE = 16, SCRAM_ITERATIONS = 4096, SCRAM_VERIFIER_SIZE = 192 };

/*
 * "SCRAM-SHA-256$4096:SALT$STORED:SERVER". Of the password every byte counts as it is, which is
 * right for printable ASCII, of which alone it may be made. 0, or -1.
 */
int scram_verifier(const char *password, size_t length, const uint8_t salt[SCRAM_SALT_SIZE],
    char verifier[SCRAM_VERIFIER_SIZE]);

#endif
