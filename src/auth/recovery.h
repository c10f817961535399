/*
 * recovery.h: recovery codes, for whoever has lost the device that makes one-time codes. Twenty
 * characters of an alphabet of 32 without look-alikes: 100 bits, so their SHA-256 can be kept
 * without salt or key, and rotating a key cannot take anybody's codes away. Each is good once.
 */
#ifndef AUTH_RECOVERY_H
#define AUTH_RECOVERY_H

#include "base/base.h"
#include "base/uuid.h"

enum {
    RECOVERY_CODES = 10,           /* that an account has at first */
    RECOVERY_CODE_LENGTH = 20 + 3, /* four groups of five: "xxxxx-xxxxx-xxxxx-xxxxx" */
    RECOVERY_HASH_SIZE = 32,
};

/* A new code. Aborts when the kernel has no randomness. */
void recovery_code(char code[RECOVERY_CODE_LENGTH + 1]);

/*
 * The hash that is kept of a code of this account. Upper case, blanks and missing or other hyphens
 * do not matter. -1 when it is no recovery code at all, or the library fails.
 */
int recovery_hash(
    const struct uuid *account, const char *code, size_t length, uint8_t hash[RECOVERY_HASH_SIZE]);

#endif
