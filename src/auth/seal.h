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

#include "auth/server_key.h"
#include "base/uuid.h"

enum { SEAL_OVERHEAD = 12 + 16 };

/* The current key seals; it and the previous one open. */
struct seal;

/* Copies the keys; `previous` may be NULL. Caller frees (which wipes). */
struct seal *seal_new(const struct server_key *current, const struct server_key *previous);

/*
 * The same with the keys for a purpose from two files (see server_key_read); the path of the
 * previous one may be empty. NULL on an error, with one line for people in `error`.
 */
struct seal *seal_read(
    const char *current, const char *previous, const char *purpose, char *error, size_t size);

/* NULL is allowed. */
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
