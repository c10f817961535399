/*
 * factor.h: a second factor as it is stored, and a one-time code that is given for it.
 */
#ifndef AUTH_FACTOR_H
#define AUTH_FACTOR_H

#include "auth/seal.h"
#include "auth/totp.h"

#define FACTOR_PURPOSE "pets-api second factor"

enum { FACTOR_SEALED_SIZE = TOTP_SECRET_SIZE + SEAL_OVERHEAD };

/* The columns of pets.totp; borrowed. */
struct factor {
    const struct uuid *account;
    const char *key_id;
    size_t key_id_length;
    const uint8_t *sealed;
    size_t sealed_length;
    int64_t last_step;
};

enum factor_result {
    FACTOR_GOOD,
    FACTOR_WRONG,
    FACTOR_USED, /* the code was right and has been used, or a later one has */
    FACTOR_UNKNOWN_KEY,
    FACTOR_BROKEN, /* the stored secret is not what was sealed for this account */
};

/* What to store for FACTOR_GOOD, if last_step is still earlier then. */
struct factor_accepted {
    int64_t step;
    bool resealed; /* the secret was sealed with the previous key; with the current one it is: */
    uint8_t sealed[FACTOR_SEALED_SIZE];
};

/* A new secret for an account: sealed, and in base32. -1 when a library fails. */
int factor_make(const struct seal *seal, const struct uuid *account,
    uint8_t sealed[FACTOR_SEALED_SIZE], char text[TOTP_TEXT_LENGTH + 1]);

/* Checks a code at the time `now_s` (seconds since 1970). */
enum factor_result factor_check(const struct seal *seal, const struct factor *factor,
    const char *code, size_t length, int64_t now_s, struct factor_accepted *accepted);

#endif
