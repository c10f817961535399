/*
 * password.h: passwords become bcrypt ($2b$) of base64(HMAC-SHA-384(pepper, the exact bytes)). The
 * HMAC lifts bcrypt's limits (72 bytes, no NUL) and makes a stolen table of hashes worthless
 * without the pepper, which is in a file of the auth pool and never in the database. Slow by
 * design: in the daemon only the hasher calls password_hash and password_verify. What a new
 * password must be is in password_rules.h.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "base/base.h"

enum {
    PASSWORD_MIN = 15,      /* characters (code points): NIST SP 800-63B, single factor */
    PASSWORD_MIN_MFA = 12,  /* the same, for an account with a second factor */
    PASSWORD_MAX = 1024,    /* bytes */
    PASSWORD_HASH_SIZE = 64 /* a hash is 60 characters, and its NUL */
};

struct pepper;

/*
 * One line of 32 to 256 printable ASCII characters, without its newline; `petsctl pepper new` makes
 * one. NULL on an error, with one line for people in `error`. Caller frees (which wipes).
 */
struct pepper *pepper_read(const char *path, char *error, size_t size);
void pepper_free(struct pepper *pepper);

/* Names the pepper beside each hash (credential.pepper_id) and does not reveal it: 8 hex digits. */
const char *pepper_id(const struct pepper *pepper);

/* A hash with a fresh salt. -1 when a library fails or the cost is out of its range. */
int password_hash(const struct pepper *pepper, const char *password, size_t length, int cost,
    char hash[PASSWORD_HASH_SIZE]);

/* Takes the time of the cost in `hash`, whatever the password. A malformed hash never matches. */
bool password_verify(
    const struct pepper *pepper, const char *password, size_t length, const char *hash);

/*
 * The cost that a hash was made with: 0 when it is malformed. Whether it should be made anew, with
 * another pepper or at another cost.
 */
int password_cost(const char *hash);
bool password_outdated(
    const char *hash, const struct pepper *made_with, const struct pepper *current, int cost);

/*
 * Takes the time that verifying against `hash` fell short of one at `cost`, so that how long a
 * refusal takes does not tell that the hash is an old one, and so that there is one.
 */
void password_even_out(const struct pepper *pepper, const char *hash, int cost);

/*
 * A well-formed hash that no password has, to verify against when there is no account, so that the
 * answer takes as long. -1 when a library fails.
 */
int password_dummy(int cost, char hash[PASSWORD_HASH_SIZE]);

#endif
