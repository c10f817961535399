/*
 * seal.h: secrets that the program must read again, such as those of one-time codes, at rest:
 * sealed with AES-256-GCM under a key that is in a credential file and never in the database. The
 * id of the key stands beside what it sealed. What is sealed for one account cannot be opened for
 * another: the account's id is authenticated along.
 *
 * A nonce is 96 random bits, which is good for 2^32 secrets a key.
 */
#ifndef AUTH_SEAL_H
#define AUTH_SEAL_H

#include "base/base.h"
#include "base/uuid.h"

enum {
    SEAL_KEY_SIZE = 32,
    SEAL_ID_SIZE = 16 + 1, /* of the text that names a key, at most, with its NUL */
    SEAL_OVERHEAD = 12 + 16,
};

/* The key of a purpose, from one line of a secret file. */
struct seal_key {
    char id[SEAL_ID_SIZE];
    uint8_t bytes[SEAL_KEY_SIZE];
};

/* Derives the key by HKDF-SHA-256; `purpose` is its info. -1 when the library fails. */
int seal_derive(
    struct seal_key *key, const char *id, const void *line, size_t length, const char *purpose);

/* The current key seals; it and the previous one open. */
struct seal;

/* Copies the keys; `previous` may be NULL. Caller frees (which wipes); NULL is allowed there. */
struct seal *seal_new(const struct seal_key *current, const struct seal_key *previous);
void seal_free(struct seal *seal);

/* The id of the current key. What has another one should be sealed again. */
const char *seal_key_id(const struct seal *seal);

/* Writes length + SEAL_OVERHEAD bytes. -1 when the library fails. */
int seal_close(const struct seal *seal, const struct uuid *account, const void *secret,
    size_t length, uint8_t *sealed);

enum seal_result {
    SEAL_OPENED,
    SEAL_UNKNOWN_KEY, /* neither of the keys has this id */
    SEAL_BROKEN, /* not what was sealed for this account under this key, or not `length` bytes */
};

/* Writes exactly `length` bytes, or none. `id` need not be NUL-terminated. */
enum seal_result seal_open(const struct seal *seal, const struct uuid *account, const char *id,
    size_t id_length, const void *sealed, size_t sealed_length, void *secret, size_t length);

#endif
