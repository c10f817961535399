/*
 * connection.h: one connection to PostgreSQL, and the fence of libpq. It connects, prepares every
 * statement of its pool, carries one query at a time, and is made again when it is lost:
 *
 *     DOWN -> CONNECTING -> PREPARING -> IDLE <-> BUSY
 *      ^________|______________|__________|________|     lost: back-off, then again
 *
 * Only db.c uses it: it owns the connections and decides who carries what.
 */
#ifndef DB_CONNECTION_H
#define DB_CONNECTION_H

#include "base/config.h"
#include "db/query.h"
#include "pool/loop.h"
#include "pool/scoreboard.h"

struct connection;

struct connection_options {
    struct loop *loop;
    const struct config *config; /* borrowed */
    unsigned pools;              /* STATEMENT_POOL_* bits: whose statements are prepared */
    const char *signs;           /* of db_options */
    bool probe;                  /* only `ready` of these */
    struct slot *slot;           /* counters; may be NULL */
    void *owner;
    /* It can serve, for the first time or again. */
    void (*up)(void *owner);
    /* It has carried its query and can take the next; that query's `done` is called after this. */
    void (*idle)(void *owner);
    /* It was lost, or could not be made. A query on its way is answered after this. */
    void (*down)(void *owner, bool was_up);
};

/* Does nothing until connection_start. Options are copied. Caller frees. */
struct connection *connection_new(const struct connection_options *options);
void connection_free(struct connection *connection);

/* Begins to connect. May call `down` from within. */
void connection_start(struct connection *connection);

bool connection_is_idle(const struct connection *connection);

/*
 * Sends [enter,] statement and sync in one write. -1 when the connection could not take it: nothing
 * of it will take effect, `down` has been called, and `done` will not be.
 */
int connection_send(struct connection *connection, struct query *query);

/* The query's owner is no longer interested; its results are read and dropped. */
void connection_forget(struct connection *connection);

/* At every tick: timeouts, and the next attempt when its time has come. */
void connection_check(struct connection *connection, int64_t now_us);

/* Why the last attempt failed, one line; "" when it did not. */
const char *connection_error(const struct connection *connection);

#endif
