/*
 * rehash.h: a hash is made anew when somebody logs in and it was made with another pepper or at
 * another cost: only then is the password at hand. It happens beside the login, which neither waits
 * for it nor fails with it; what does not come off is tried again at the next one. While logins
 * wait in more than half of the queue for hashing, it is left for later.
 */
#ifndef AUTH_REHASH_H
#define AUTH_REHASH_H

#include "auth/hasher.h"
#include "base/uuid.h"
#include "db/db.h"

struct rehasher;

/* Borrows all four. Caller frees, before the hasher and the database. */
struct rehasher *rehasher_new(
    struct hasher *hasher, struct db *db, const struct pepper *pepper, const struct worker *worker);
void rehasher_free(struct rehasher *rehasher);

/*
 * `verified` is a HASH_VERIFY of the account's hash that has matched, with its pepper; its password
 * is still there, and is copied.
 */
void rehash_start(
    struct rehasher *rehasher, const struct uuid *account, const struct hash_job *verified);

#endif
