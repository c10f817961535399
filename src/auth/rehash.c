/*
 * rehash.c: a hash, then a statement that replaces the old hash if it is still there. Each has an
 * arena of its own, because the request that gave rise to it is answered meanwhile; all that are on
 * their way are in one list, so that they can be dropped when the worker leaves.
 */
#include "auth/rehash.h"

#include "base/log.h"

struct rehash {
    struct rehash *next;
    struct rehasher *owner;
    struct arena *arena; /* this lives in it */
    struct uuid account;
    char old_hash[PASSWORD_HASH_SIZE];
    struct hash_job job;
    struct query query;
};

struct rehasher {
    struct hasher *hasher;
    struct db *db;
    const struct pepper *pepper; /* new hashes have this one */
    int cost;
    struct slot *slot;
    struct rehash *first;
};

struct rehasher *rehasher_new(
    struct hasher *hasher, struct db *db, const struct pepper *pepper, const struct worker *worker)
{
    struct rehasher *rehasher = calloc(1, sizeof *rehasher);

    if (rehasher == NULL)
        base_out_of_memory();
    rehasher->hasher = hasher;
    rehasher->db = db;
    rehasher->pepper = pepper;
    rehasher->cost = worker->config->password.bcrypt_cost;
    rehasher->slot = worker->slot;
    return rehasher;
}

void rehasher_free(struct rehasher *rehasher)
{
    if (rehasher == NULL)
        return;
    while (rehasher->first != NULL) {
        struct rehash *rehash = rehasher->first;

        rehasher->first = rehash->next;
        hasher_cancel(rehasher->hasher, &rehash->job);
        db_cancel(rehasher->db, &rehash->query);
        arena_free(rehash->arena);
    }
    free(rehasher);
}

/* It is over; `error` is NULL when nothing went wrong. */
static void end(struct rehash *rehash, const char *error)
{
    struct rehash **link = &rehash->owner->first;
    char account[UUID_SIZE];

    if (error != NULL) {
        uuid_format(&rehash->account, account);
        log_event(LEVEL_WARNING, "password_rehash_failed", log_str("account_id", account),
            log_str("error", error));
    }
    while (*link != rehash)
        link = &(*link)->next;
    *link = rehash->next;
    arena_free(rehash->arena);
}

static void stored(struct query *query)
{
    struct rehash *rehash = query->owner;

    /* Null: the password was changed meanwhile, or another login was faster. */
    if (query->err == ERR_NONE && !rows_null(&query->rows, 0, 0))
        slot_count(rehash->owner->slot, COUNTER_REHASHES);
    end(rehash, query->err == ERR_NONE ? NULL : err_info(query->err)->code);
}

static void hashed(struct hash_job *job)
{
    struct rehash *rehash = job->context;
    struct rehasher *owner = rehash->owner;
    struct query *query = &rehash->query;
    enum err err;

    slot_count(owner->slot, COUNTER_HASHES);
    if (job->failed) {
        end(rehash, "the password could not be hashed");
        return;
    }
    query_init(query, rehash->arena, STATEMENT_CREDENTIAL_REHASH);
    query->owner = rehash;
    query->done = stored;
    query_uuid(query, &rehash->account);
    query_string(query, rehash->old_hash);
    query_string(query, job->hash);
    query_string(query, pepper_id(owner->pepper));
    err = db_submit(owner->db, query);
    if (err != ERR_NONE)
        end(rehash, err_info(err)->code);
}

void rehash_start(
    struct rehasher *rehasher, const struct uuid *account, const struct hash_job *verified)
{
    struct arena *arena;
    struct rehash *rehash;

    if (!password_outdated(verified->hash, verified->pepper, rehasher->pepper, rehasher->cost) ||
        hasher_busy(rehasher->hasher))
        return;
    arena = arena_new(4096);
    rehash = arena_zalloc(arena, sizeof *rehash);
    rehash->arena = arena;
    rehash->owner = rehasher;
    rehash->account = *account;
    memcpy(rehash->old_hash, verified->hash, sizeof rehash->old_hash);
    rehash->job = (struct hash_job){.kind = HASH_MAKE,
        .password = verified->password,
        .length = verified->length,
        .done = hashed,
        .context = rehash};
    if (hasher_submit(rehasher->hasher, &rehash->job) != 0) {
        arena_free(arena);
        return;
    }
    rehash->next = rehasher->first;
    rehasher->first = rehash;
}
