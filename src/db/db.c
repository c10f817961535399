/*
 * db.c: who carries what. A query goes to an idle connection at once or waits in a bounded queue,
 * oldest first; when no connection is up and none is coming up, nobody is kept waiting.
 */
#include "db/db.h"

#include "db/attempt.h"
#include "db/connection.h"

struct db {
    const struct config *config;
    struct loop *loop;
    struct db_options options;
    struct tick tick;
    struct query *head;
    struct query **tail;
    int queued;
    int ready;
    int failures; /* attempts in a row, over all connections */
    int hosts;
    bool settled;
    int count;
    struct connection *connections[];
};

static void count(const struct db *db, enum counter counter)
{
    if (db->options.slot != NULL)
        slot_count(db->options.slot, counter);
}

static void publish(const struct db *db)
{
    struct slot *slot = db->options.slot;

    if (slot == NULL)
        return;
    atomic_store_explicit(&slot->database_ready, (uint32_t)db->ready, memory_order_relaxed);
    atomic_store_explicit(&slot->queued, (uint32_t)db->queued, memory_order_relaxed);
}

/* --- the queue --- */

static void enqueue(struct db *db, struct query *query)
{
    query->queued = true;
    query->next = NULL;
    *db->tail = query;
    db->tail = &query->next;
    db->queued++;
    publish(db);
}

/* Takes `query` out of the queue, wherever it stands. */
static void dequeue(struct db *db, struct query *query)
{
    struct query **link = &db->head;

    while (*link != query)
        link = &(*link)->next;
    *link = query->next;
    if (db->tail == &query->next)
        db->tail = link;
    query->queued = false;
    db->queued--;
    publish(db);
}

/* Answers the oldest in the queue with an error. */
static void fail_head(struct db *db, enum err err)
{
    struct query *query = db->head;

    dequeue(db, query);
    query->err = err;
    query->done(query);
}

static struct connection *idle_connection(const struct db *db)
{
    for (int i = 0; i < db->count; i++)
        if (connection_is_idle(db->connections[i]))
            return db->connections[i];
    return NULL;
}

static void serve_queue(void *owner)
{
    struct db *db = owner;
    struct connection *connection;

    while (db->head != NULL && (connection = idle_connection(db)) != NULL) {
        struct query *query = db->head;

        dequeue(db, query);
        if (connection_send(connection, query) != 0) {
            query->err = ERR_DATABASE_UNAVAILABLE;
            query->done(query);
        }
    }
}

/* --- connections that come and go --- */

/*
 * The first attempt has ended, one way or the other; with several hosts one has begun at each. Only
 * now the other connections are made: a worker can serve with one, and many at once would keep each
 * other, and it, from getting ready.
 */
static void settle(struct db *db)
{
    if (db->settled)
        return;
    db->settled = true;
    if (db->options.settled != NULL)
        db->options.settled(db->options.context);
    for (int i = 1; i < db->count; i++)
        connection_start(db->connections[i]);
}

static void on_up(void *owner)
{
    struct db *db = owner;

    db->ready++;
    db->failures = 0;
    publish(db);
    serve_queue(db);
    settle(db);
}

static void on_down(void *owner, bool was_up)
{
    struct db *db = owner;

    db->ready -= was_up ? 1 : 0;
    db->failures += was_up ? 0 : 1;
    publish(db);
    while (db->head != NULL && db->ready == 0 && db->failures > 0)
        fail_head(db, ERR_DATABASE_UNAVAILABLE);
    if (was_up || db->failures >= db->hosts)
        settle(db);
}

static void on_tick(struct tick *tick, int64_t now_us)
{
    struct db *db = container_of(tick, struct db, tick);
    int64_t limit_us = (int64_t)db->config->pool.queue_max_wait_ms * 1000;

    for (int i = 0; i < db->count; i++)
        connection_check(db->connections[i], now_us);
    while (db->head != NULL && now_us - db->head->submitted_us > limit_us) {
        count(db, COUNTER_QUEUE_TIMEOUTS);
        fail_head(db, ERR_OVERLOADED);
    }
}

/* --- exported --- */

struct db *db_new(struct loop *loop, const struct db_options *options)
{
    size_t connections = (size_t)options->connections;
    struct db *db = calloc(1, sizeof *db + connections * sizeof db->connections[0]);
    struct connection_options each = {.loop = loop,
        .config = options->config,
        .pools = options->pools,
        .signs = options->signs,
        .probe = options->probe,
        .slot = options->slot,
        .owner = db,
        .up = on_up,
        .idle = serve_queue,
        .down = on_down};

    if (db == NULL)
        base_out_of_memory();
    db->loop = loop;
    db->config = options->config;
    db->options = *options;
    db->tail = &db->head;
    db->count = options->connections;
    db->hosts = attempt_host_count(options->config->database.host);
    db->tick.run = on_tick;
    loop_add_tick(loop, &db->tick);
    for (int i = 0; i < db->count; i++)
        db->connections[i] = connection_new(&each);
    connection_start(db->connections[0]);
    return db;
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < db->count; i++)
        connection_free(db->connections[i]);
    free(db);
}

enum err db_submit(struct db *db, struct query *query)
{
    struct connection *connection = db->head == NULL ? idle_connection(db) : NULL;

    query->submitted_us = loop_now(db->loop);
    if (connection != NULL)
        return connection_send(connection, query) == 0 ? ERR_NONE : ERR_DATABASE_UNAVAILABLE;
    if (db->ready == 0 && db->failures > 0)
        return ERR_DATABASE_UNAVAILABLE;
    if (db->queued >= db->config->pool.queue_max) {
        count(db, COUNTER_QUEUE_REFUSED);
        return ERR_OVERLOADED;
    }
    enqueue(db, query);
    return ERR_NONE;
}

bool db_cancel(struct db *db, struct query *query)
{
    if (query->queued) {
        dequeue(db, query);
        return false;
    }
    if (query->connection == NULL)
        return false;
    connection_forget(query->connection);
    query->connection = NULL;
    return true;
}

int db_ready(const struct db *db)
{
    return db->ready;
}

int db_queued(const struct db *db)
{
    return db->queued;
}

const char *db_last_error(const struct db *db)
{
    for (int i = 0; i < db->count; i++)
        if (connection_error(db->connections[i])[0] != '\0')
            return connection_error(db->connections[i]);
    return "";
}
