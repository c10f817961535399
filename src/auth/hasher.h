/*
 * hasher.h: the hashing process of a worker. bcrypt takes a quarter of a second; here it stalls
 * nobody. Jobs run one at a time in the order they came; each is answered by the loop. The queue is
 * bounded: a flood of logins is refused at once instead of waiting. Over the whole pool at most
 * password.hash_slots are hashed at once, at a low priority and in short turns (turns.h), so that
 * whoever else is on the machine finds it free.
 *
 * The password and the hash are copied at submission and the copies wiped after use: the process
 * never touches a request. When it dies, another one takes its place and does its job again.
 */
#ifndef AUTH_HASHER_H
#define AUTH_HASHER_H

#include "auth/password.h"
#include "pool/worker.h"

struct hasher;
struct hash_slot;

enum hash_kind { HASH_MAKE, HASH_VERIFY };

/* Owned by the caller, until `done` was called or hasher_cancel. */
struct hash_job {
    enum hash_kind kind;
    const char *password; /* read by hasher_submit only: wipe it at once, if you like */
    size_t length;        /* at most PASSWORD_MAX */
    /* HASH_VERIFY: what the hash was made with; older than the hasher, and borrowed for its life.
     * NULL: its own. */
    const struct pepper *pepper;
    /* HASH_VERIFY: in. HASH_MAKE: out. */
    char hash[PASSWORD_HASH_SIZE];
    bool matched; /* out, HASH_VERIFY */
    bool failed;  /* out, HASH_MAKE: no hash could be made */
    /* Called by the loop. May submit, and may free the job. */
    void (*done)(struct hash_job *job);
    void *context;          /* the caller's */
    struct hash_slot *slot; /* private; NULL when it has no place in the queue */
};

/* Sets the hash that HASH_VERIFY checks against; `hash` needs no NUL. */
void hash_job_expect(struct hash_job *job, const char *hash, size_t length);

/* A job of that kind; a place that it has in the queue stays its own. */
void hash_job_init(struct hash_job *job, enum hash_kind kind, const char *password, size_t length);

/*
 * Starts the process, with all signals but SIGALRM blocked in it; it keeps none of the caller's
 * descriptors. Uses password.bcrypt_cost, hash_queue and hash_slots; borrows the pepper, which new
 * hashes are made with, and the worker's loop, permits and slot. NULL with errno. Caller frees.
 */
struct hasher *hasher_new(const struct worker *worker, const struct pepper *pepper);

/*
 * Drops all jobs (without `done`), ends the process. A worker that drains keeps its loop going
 * until its requests are answered; then nothing is left here.
 */
void hasher_free(struct hasher *hasher);

/*
 * Takes a place in the queue for a job that is not ready yet, so that who will find it full learns
 * so before anything else is done: the job needs a `slot` of NULL, and must be submitted or
 * cancelled. 0, or -1 when all password.hash_queue places are taken.
 */
int hasher_reserve(struct hasher *hasher, struct hash_job *job);

/* 0, or -1 when it has no place and gets none. */
int hasher_submit(struct hasher *hasher, struct hash_job *job);

/* `done` will not be called, and the job may go. Harmless when it has no place. */
void hasher_cancel(struct hasher *hasher, struct hash_job *job);

/* Jobs waiting, running, or not yet answered; whether they take more than half of the queue. */
size_t hasher_pending(const struct hasher *hasher);
bool hasher_busy(const struct hasher *hasher);

/* A hash for HASH_VERIFY that nothing matches and that takes as long (see password_dummy). */
const char *hasher_dummy(const struct hasher *hasher);

#endif
