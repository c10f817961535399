/*
 * db.h: a worker's connections to PostgreSQL. Each connection carries one query at a time, in
 * pipeline mode, so that `enter` and the statement make one round trip and one transaction; who
 * finds no free connection waits in a bounded queue. Connections are made, prepared, lost and made
 * again by themselves, with jittered back-off; the password file is read for every attempt, so a
 * rotated password is picked up. Nothing here ever blocks.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/config.h"
#include "db/query.h"
#include "pool/loop.h"
#include "pool/scoreboard.h"

struct db;

struct db_options {
    const struct config *config; /* borrowed */
    int connections;
    unsigned pools; /* STATEMENT_POOL_* bits: whose statements are prepared */
    /*
     * The kid of the key that the worker signs tokens with, NULL for none; borrowed. Connections
     * say so (application_name), which is how petsctl knows who signs with it.
     */
    const char *signs;
    bool probe;        /* only the statement `ready` is prepared: the ops worker sends no other */
    struct slot *slot; /* counters; may be NULL */
    /* Called once, when the first attempt to connect has ended, well or badly. May be NULL. */
    void (*settled)(void *context);
    void *context;
};

/* Starts connecting. Caller frees, after the loop has ended. */
struct db *db_new(struct loop *loop, const struct db_options *options);
void db_free(struct db *db);

/*
 * Sends the query or queues it; `done` is called later, never from within. On an error it has not
 * been taken: ERR_OVERLOADED (queue full) or ERR_DATABASE_UNAVAILABLE (no connection, none being
 * made).
 */
enum err db_submit(struct db *db, struct query *query);

/*
 * The owner is no longer interested: `done` will not be called. A query that was sent may still
 * take effect; returns true in that case.
 */
bool db_cancel(struct db *db, struct query *query);

/* How many connections can serve (ready or busy), and how many queries wait. */
int db_ready(const struct db *db);
int db_queued(const struct db *db);

/* Why the last attempt to connect or prepare failed; "" when it did not. For `petsd -t -d` and
 * petsctl. */
const char *db_last_error(const struct db *db);

#endif
