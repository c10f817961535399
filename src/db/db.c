/*
 * db.c: the fence of libpq, and the life of a connection:
 *
 *     DOWN -> CONNECTING -> PREPARING -> IDLE <-> BUSY
 *      ^________|______________|__________|________|     lost: back-off, then again
 *
 * A query is sent as [enter,] statement, sync: one write. Its results are read up to the sync, whatever
 * happens before it; the first error decides. A connection that is lost while a writing statement is on its way
 * leaves the outcome unknown, and the client is told so.
 */
#include "db/db.h"

#include <endian.h>
#include <libpq-fe.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/secret.h"
#include "db/sqlstate.h"

enum { BACKOFF_FIRST_MS = 100, HUNG_GRACE_MS = 1000 };

enum state { DOWN, CONNECTING, PREPARING, IDLE, BUSY };

struct db_connection {
    struct watch watch;
    struct db *db;
    PGconn *pg;
    enum state state;
    int64_t since_us; /* CONNECTING, PREPARING, BUSY: when it began; DOWN: when to try again */
    bool settled;     /* has been ready or has failed once */
    int preparing;    /* the statement whose PREPARE is answered next */

    struct query *query; /* BUSY: whose; NULL when its owner cancelled */
    bool writes;
    int results; /* results of commands seen for this query */
    enum err err;
    bool definite; /* the server itself reported the error: nothing was changed */
};

struct db {
    struct loop *loop;
    const struct config *config;
    struct db_options options;
    struct tick tick;
    struct query *head;
    struct query **tail;
    int queued;
    int ready;
    int unsettled; /* connections that have been neither ready nor failed */
    bool settled;
    int failures; /* in a row, over all connections */
    char last_error[256];
    int count;
    struct db_connection connections[];
};

static void on_ready(struct watch *watch, uint32_t events);
static void serve_queue(struct db *db);

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

/* The first connection that is ready settles it; so does the last one that has failed. */
static void settle(struct db_connection *connection)
{
    struct db *db = connection->db;

    if (!connection->settled)
        db->unsettled--;
    connection->settled = true;
    if (db->settled || (db->ready == 0 && db->unsettled > 0))
        return;
    db->settled = true;
    if (db->options.settled != NULL)
        db->options.settled(db->options.context);
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

static void finish(struct query *query, enum err err)
{
    query->err = err;
    query->connection = NULL;
    query->done(query);
}

static void fail_queue(struct db *db, enum err err)
{
    while (db->head != NULL) {
        struct query *query = db->head;

        dequeue(db, query);
        finish(query, err);
    }
}

/* --- losing and making connections --- */

static int64_t backoff_us(const struct db *db)
{
    int64_t limit = db->config->database.reconnect_max_ms;
    int64_t wait = BACKOFF_FIRST_MS;
    uint32_t random = 0;

    for (int i = 1; i < db->failures && wait < limit; i++)
        wait *= 2;
    wait = MIN(wait, limit);
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)base_now_us();
    /* Half of it is certain, half is chance, so that many workers do not come back in step. */
    return wait * 500 + wait * 500 * (random % 1024) / 1024;
}

static void remember_error(struct db *db, const char *message)
{
    snprintf(db->last_error, sizeof db->last_error, "%.*s", (int)strcspn(message, "\n"), message);
}

/* Ends a connection in any state; `reason` is logged. The next attempt follows the back-off. */
static void lose(struct db_connection *connection, const char *reason)
{
    struct db *db = connection->db;
    struct query *query = connection->query;
    bool was_ready = connection->state >= IDLE;
    enum err err = connection->err;

    if (!was_ready)
        db->failures++;
    remember_error(db, reason);
    log_event(LEVEL_WARNING, was_ready ? "database_connection_lost" : "database_connect_failed",
        log_str("error", db->last_error), log_int("failures", db->failures));
    count(db, was_ready ? COUNTER_DATABASE_LOST : COUNTER_DATABASE_FAILURES);
    loop_remove(db->loop, &connection->watch);
    if (connection->pg != NULL)
        PQfinish(connection->pg);
    connection->pg = NULL;
    connection->query = NULL;
    db->ready -= was_ready ? 1 : 0;
    connection->since_us = loop_now(db->loop) + (was_ready ? 0 : backoff_us(db));
    publish(db);
    if (connection->state == BUSY && query != NULL) {
        connection->state = DOWN;
        if (!connection->definite)
            err = connection->writes ? ERR_OUTCOME_UNKNOWN : ERR_DATABASE_UNAVAILABLE;
        if (err == ERR_OUTCOME_UNKNOWN)
            count(db, COUNTER_OUTCOMES_UNKNOWN);
        finish(query, err);
    }
    connection->state = DOWN;
    if (db->ready == 0 && db->failures > 0)
        fail_queue(db, ERR_DATABASE_UNAVAILABLE);
    settle(connection);
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static PGconn *connect_start(const struct config *config, const char *password)
{
    char port[12], timeout[12], options[64], name[64];
    const char *keywords[] = { "host", "port", "dbname", "user", "password", "sslmode", "sslrootcert",
        "application_name", "options", "client_encoding", "gssencmode", "tcp_user_timeout",
        "keepalives_idle", "target_session_attrs", NULL };
    const char *values[] = { config->database.host, port, config->database.name,
        config->database.user, password, config->database.sslmode, config->database.sslrootcert, name,
        options, "UTF8", "disable", timeout, "30",
        strchr(config->database.host, ',') != NULL ? "read-write" : "any", NULL };

    snprintf(port, sizeof port, "%d", config->database.port);
    snprintf(timeout, sizeof timeout, "%d", config->database.statement_timeout_ms + HUNG_GRACE_MS);
    snprintf(options, sizeof options, "-c statement_timeout=%d", config->database.statement_timeout_ms);
    snprintf(name, sizeof name, "pets-api/%s", config->pool.name);
    return PQconnectStartParams(keywords, values, 0);
}

static void begin_connect(struct db_connection *connection)
{
    struct db *db = connection->db;
    char error[256] = "";
    char *password = NULL;

    connection->state = CONNECTING;
    connection->since_us = loop_now(db->loop);
    if (db->config->database.password_file[0] != '\0') {
        password = secret_read_line(db->config->database.password_file, error, sizeof error);
        if (password == NULL) {
            lose(connection, error);
            return;
        }
    }
    connection->pg = connect_start(db->config, password);
    if (password != NULL)
        secret_free(password, strlen(password));
    if (connection->pg == NULL)
        base_out_of_memory();
    PQsetNoticeProcessor(connection->pg, ignore_notice, NULL);
    connection->watch.fd = PQsocket(connection->pg);
    connection->watch.ready = on_ready;
    if (PQstatus(connection->pg) == CONNECTION_BAD)
        lose(connection, PQerrorMessage(connection->pg));
    else if (loop_add(db->loop, &connection->watch, EPOLLOUT) != 0)
        lose(connection, strerror(errno));
}

/* Sends what libpq has buffered; asks for writability only when the socket is full. */
static int flush(struct db_connection *connection)
{
    int left = PQflush(connection->pg);

    if (left < 0)
        return -1;
    return loop_change(connection->db->loop, &connection->watch,
        left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool prepares(const struct db *db, int statement)
{
    return (statements[statement].pools & db->options.pools) != 0;
}

static int send_prepares(struct db_connection *connection)
{
    PGconn *pg = connection->pg;

    if (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1)
        return -1;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        const struct statement *statement = &statements[i];

        if (prepares(connection->db, i)
            && PQsendPrepare(pg, statement->name, statement->sql, statement->params, statement->types)
                != 1)
            return -1;
    }
    if (PQpipelineSync(pg) != 1)
        return -1;
    connection->state = PREPARING;
    connection->preparing = 0;
    return flush(connection);
}

static void on_connecting(struct db_connection *connection)
{
    struct loop *loop = connection->db->loop;
    PostgresPollingStatusType status = PQconnectPoll(connection->pg);

    /* libpq may have closed the socket and opened another one, even with the same number. */
    loop_remove(loop, &connection->watch);
    connection->watch.fd = PQsocket(connection->pg);
    if (status == PGRES_POLLING_FAILED) {
        lose(connection, PQerrorMessage(connection->pg));
        return;
    }
    if (loop_add(loop, &connection->watch, status == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT) != 0)
        lose(connection, strerror(errno));
    else if (status == PGRES_POLLING_OK && send_prepares(connection) != 0)
        lose(connection, PQerrorMessage(connection->pg));
}

static void become_idle(struct db_connection *connection)
{
    connection->state = IDLE;
    serve_queue(connection->db);
}

static void on_prepared(struct db_connection *connection)
{
    struct db *db = connection->db;

    db->ready++;
    db->failures = 0;
    db->last_error[0] = '\0';
    count(db, COUNTER_DATABASE_CONNECTS);
    log_event(LEVEL_INFO, "database_connected", log_int("backend_pid", PQbackendPID(connection->pg)),
        log_int("ready", db->ready));
    publish(db);
    become_idle(connection);
    settle(connection);
}

/* Results of the PREPAREs, in the order they were sent. Returns false when the connection is gone. */
static bool on_prepare_result(struct db_connection *connection, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    char reason[256];

    while (connection->preparing < STATEMENT_COUNT && !prepares(connection->db, connection->preparing))
        connection->preparing++;
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        on_prepared(connection);
        return connection->pg != NULL;
    }
    if (status == PGRES_COMMAND_OK) {
        connection->preparing++;
        PQclear(result);
        return true;
    }
    snprintf(reason, sizeof reason, "cannot prepare %s: %.180s",
        connection->preparing < STATEMENT_COUNT ? statements[connection->preparing].name : "?",
        PQresultErrorMessage(result));
    PQclear(result);
    lose(connection, reason);
    return false;
}

/* --- running a query --- */

static int send_enter(PGconn *pg, const struct query *query)
{
    const char *values[] = { (const char *)query->session.bytes, (const char *)query->account.bytes,
        query->need_role };
    int lengths[] = { 16, 16, query->need_role == NULL ? 0 : (int)strlen(query->need_role) };
    int formats[] = { 1, 1, 1 };

    return PQsendQueryPrepared(pg, statements[STATEMENT_ENTER].name, 3, values, lengths, formats, 1);
}

/* 0, or -1 when the connection could not take it (nothing of it will take effect). */
static int send_query(struct db_connection *connection, struct query *query)
{
    PGconn *pg = connection->pg;
    const struct statement *statement = &statements[query->statement];

    if (query->bound != statement->params)
        abort();
    if (query->enter && send_enter(pg, query) != 1)
        return -1;
    if (PQsendQueryPrepared(pg, statement->name, query->bound, query->values, query->lengths,
            query->formats, 1)
            != 1
        || PQpipelineSync(pg) != 1 || flush(connection) != 0)
        return -1;
    connection->state = BUSY;
    connection->since_us = loop_now(connection->db->loop);
    connection->query = query;
    connection->writes = statement->writes;
    connection->results = 0;
    connection->err = ERR_NONE;
    connection->definite = false;
    query->connection = connection;
    if (query->sent != NULL)
        query->sent(query, PQbackendPID(pg));
    return 0;
}

static struct db_connection *idle_connection(struct db *db)
{
    for (int i = 0; i < db->count; i++)
        if (db->connections[i].state == IDLE)
            return &db->connections[i];
    return NULL;
}

static void serve_queue(struct db *db)
{
    struct db_connection *connection;

    while (db->head != NULL && (connection = idle_connection(db)) != NULL) {
        struct query *query = db->head;

        dequeue(db, query);
        if (send_query(connection, query) != 0) {
            lose(connection, PQerrorMessage(connection->pg));
            finish(query, ERR_DATABASE_UNAVAILABLE);
        }
    }
}

static void release_result(void *result)
{
    PQclear(result);
}

/* Points the query's rows into the result, which stays until the query's arena goes. */
static void keep_rows(struct query *query, PGresult *result)
{
    struct rows *rows = &query->rows;
    struct cell *cells;

    arena_defer(query->arena, release_result, result);
    rows->count = PQntuples(result);
    rows->columns = PQnfields(result);
    cells = arena_alloc(query->arena, sizeof *cells * (size_t)(rows->count * rows->columns));
    rows->cells = cells;
    for (int row = 0; row < rows->count; row++) {
        for (int column = 0; column < rows->columns; column++, cells++) {
            cells->bytes = (const uint8_t *)PQgetvalue(result, row, column);
            cells->length
                = PQgetisnull(result, row, column) ? -1 : PQgetlength(result, row, column);
        }
    }
}

/* The first error of a query decides its outcome; what nobody expects is logged. */
static void note_error(struct db_connection *connection, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const struct query *query = connection->query;

    if (connection->err != ERR_NONE)
        return;
    if (sqlstate == NULL) {
        connection->err = ERR_DATABASE_UNAVAILABLE;
        return;
    }
    connection->err = sqlstate_err(sqlstate, constraint);
    /* A server that ends the session may have committed before: only other errors are a clear no. */
    connection->definite = strncmp(sqlstate, "57P", 3) != 0 && strncmp(sqlstate, "08", 2) != 0;
    if (connection->err == ERR_TIMED_OUT)
        count(connection->db, COUNTER_STATEMENT_TIMEOUTS);
    if (connection->err == ERR_INTERNAL || connection->err == ERR_TIMED_OUT) {
        count(connection->db, COUNTER_DATABASE_ERRORS);
        log_event(LEVEL_ERROR, "database_error",
            log_str("statement", query == NULL ? NULL : statements[query->statement].name),
            log_str("sqlstate", sqlstate), log_str("constraint", constraint),
            log_str("error", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
    }
}

/* The sync has come: the connection takes the next query first, so that PostgreSQL is not kept waiting. */
static void on_synced(struct db_connection *connection)
{
    struct query *query = connection->query;
    enum err err = connection->err;

    connection->query = NULL;
    become_idle(connection);
    if (query != NULL)
        finish(query, err);
}

static bool on_query_result(struct db_connection *connection, PGresult *result)
{
    struct query *query = connection->query;

    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        on_synced(connection);
        return false;
    case PGRES_TUPLES_OK:
        connection->results++;
        if (query == NULL) {
            PQclear(result);
        } else if (query->enter && connection->results == 1) {
            query->admin = strcmp(PQgetvalue(result, 0, 0), "ADMIN") == 0;
            PQclear(result);
        } else {
            keep_rows(query, result);
        }
        return true;
    case PGRES_COMMAND_OK:
    case PGRES_PIPELINE_ABORTED:
        PQclear(result);
        return true;
    default:
        note_error(connection, result);
        PQclear(result);
        return true;
    }
}

static void read_results(struct db_connection *connection)
{
    while (connection->state == PREPARING || connection->state == BUSY) {
        PGresult *result;

        if (PQisBusy(connection->pg))
            return;
        result = PQgetResult(connection->pg);
        if (result == NULL) {
            /* Between the results of two commands; or nothing will ever come. */
            if (PQstatus(connection->pg) != CONNECTION_BAD)
                continue;
            lose(connection, PQerrorMessage(connection->pg));
            return;
        }
        if (!(connection->state == PREPARING ? on_prepare_result(connection, result)
                                             : on_query_result(connection, result)))
            return;
    }
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct db_connection *connection = container_of(watch, struct db_connection, watch);

    if (connection->state == CONNECTING) {
        on_connecting(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && flush(connection) != 0) {
        lose(connection, PQerrorMessage(connection->pg));
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    if (PQconsumeInput(connection->pg) != 1) {
        /* The last words of the server may have arrived before the end. */
        read_results(connection);
        if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_BAD)
            lose(connection, PQerrorMessage(connection->pg));
        return;
    }
    read_results(connection);
}

/* --- time --- */

static void check_connection(struct db_connection *connection, int64_t now_us)
{
    const struct config *config = connection->db->config;
    int64_t age_ms = (now_us - connection->since_us) / 1000;

    switch (connection->state) {
    case DOWN:
        if (now_us >= connection->since_us)
            begin_connect(connection);
        break;
    case CONNECTING:
    case PREPARING:
        if (age_ms > config->database.connect_timeout_ms)
            lose(connection, "no answer within connect_timeout");
        break;
    case BUSY:
        /* PostgreSQL's own statement_timeout comes first; this is for a server that says nothing. */
        if (age_ms > config->database.statement_timeout_ms + HUNG_GRACE_MS)
            lose(connection, "no answer within statement_timeout");
        break;
    case IDLE:
        break;
    }
}

static void on_tick(struct tick *tick, int64_t now_us)
{
    struct db *db = container_of(tick, struct db, tick);
    int64_t limit_us = (int64_t)db->config->pool.queue_max_wait_ms * 1000;

    for (int i = 0; i < db->count; i++)
        check_connection(&db->connections[i], now_us);
    while (db->head != NULL && now_us - db->head->submitted_us > limit_us) {
        struct query *query = db->head;

        dequeue(db, query);
        count(db, COUNTER_QUEUE_TIMEOUTS);
        finish(query, ERR_OVERLOADED);
    }
}

/* --- exported --- */

struct db *db_new(struct loop *loop, const struct db_options *options)
{
    size_t connections = (size_t)options->connections;
    struct db *db = calloc(1, sizeof *db + connections * sizeof db->connections[0]);

    if (db == NULL)
        base_out_of_memory();
    db->loop = loop;
    db->config = options->config;
    db->options = *options;
    db->tail = &db->head;
    db->count = db->unsettled = options->connections;
    db->tick.run = on_tick;
    loop_add_tick(loop, &db->tick);
    for (int i = 0; i < db->count; i++) {
        db->connections[i].db = db;
        db->connections[i].watch.fd = -1;
        begin_connect(&db->connections[i]);
    }
    return db;
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < db->count; i++) {
        loop_remove(db->loop, &db->connections[i].watch);
        if (db->connections[i].pg != NULL)
            PQfinish(db->connections[i].pg);
    }
    free(db);
}

enum err db_submit(struct db *db, struct query *query)
{
    struct db_connection *connection = db->head == NULL ? idle_connection(db) : NULL;

    query->submitted_us = loop_now(db->loop);
    if (connection != NULL) {
        if (send_query(connection, query) == 0)
            return ERR_NONE;
        lose(connection, PQerrorMessage(connection->pg));
        return ERR_DATABASE_UNAVAILABLE;
    }
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
    query->connection->query = NULL;
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
    return db->last_error;
}
