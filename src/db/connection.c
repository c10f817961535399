/*
 * connection.c: libpq, never blocking. A query is sent as [enter,] statement, sync: one write. Its
 * results are read up to the sync, whatever happens before it; the first error decides. A
 * connection that is lost while a writing statement is on its way leaves the outcome unknown, and
 * the client is told so. A query that settles its transaction itself is sent with a flush in the
 * place of the sync; more follows when its rows are there. The password file is read for every
 * attempt, so a rotated password is picked up. Of several hosts an attempt begins with the one
 * after that of the last failure: libpq would wait at one that is silent until the time is up.
 */
#include "db/connection.h"

#include <endian.h>
#include <libpq-fe.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/secret.h"
#include "db/attempt.h"
#include "db/sqlstate.h"

enum { HUNG_GRACE_MS = 1000, ERROR_SIZE = 256 };

enum state { DOWN, CONNECTING, PREPARING, IDLE, BUSY };

struct connection {
    struct watch watch;
    struct connection_options options;
    PGconn *pg;
    enum state state;
    bool started;
    int64_t since_us; /* CONNECTING, PREPARING, BUSY: when it began; DOWN: when to try again */
    int failures;     /* attempts in a row */
    int host;         /* which of several hosts the next attempt begins with, modulo their number */
    int preparing;    /* the statement whose PREPARE is answered next */
    char error[ERROR_SIZE];

    struct query *query; /* BUSY: whose; NULL when its owner does not wait any more */
    bool writes;
    int results; /* results of commands seen for this query */
    int last;    /* which of them is that of its own statement, counted from 1 */
    bool open;   /* no sync has been sent: the transaction waits for its end */
    bool undone; /* its end is that it is undone: errors are meant */
    enum err err;
    bool definite; /* the server itself reported the error: nothing was changed */
    bool readonly; /* the server takes no writes any more: another one does, or will */
};

static void on_ready(struct watch *watch, uint32_t events);

static void count(const struct connection *connection, enum counter counter)
{
    if (connection->options.slot != NULL)
        slot_count(connection->options.slot, counter);
}

static void finish(struct query *query, enum err err)
{
    query->err = err;
    query->connection = NULL;
    query->done(query);
}

/* --- losing --- */

/* What its query is told when the connection is gone. */
static enum err lost_outcome(const struct connection *connection)
{
    if (connection->definite)
        return connection->err;
    if (!connection->writes)
        return ERR_DATABASE_UNAVAILABLE;
    count(connection, COUNTER_OUTCOMES_UNKNOWN);
    return ERR_OUTCOME_UNKNOWN;
}

/* Ends it in any state; the first line of `reason` is logged. The next attempt follows the
 * back-off. */
static void lose(struct connection *connection, const char *reason)
{
    struct query *query = connection->query;
    bool was_up = connection->state >= IDLE;

    snprintf(connection->error, ERROR_SIZE, "%.*s", (int)strcspn(reason, "\n"), reason);
    connection->failures += was_up ? 0 : 1;
    connection->host += was_up ? 0 : 1;
    log_event(LEVEL_WARNING, was_up ? "database_connection_lost" : "database_connect_failed",
        log_str("error", connection->error), log_int("failures", connection->failures));
    count(connection, was_up ? COUNTER_DATABASE_LOST : COUNTER_DATABASE_FAILURES);
    loop_remove(connection->options.loop, &connection->watch);
    if (connection->pg != NULL)
        PQfinish(connection->pg);
    connection->pg = NULL;
    connection->query = NULL;
    connection->state = DOWN;
    connection->since_us = loop_now(connection->options.loop) +
                           (was_up ? 0
                                   : attempt_wait_us(connection->failures,
                                         connection->options.config->database.reconnect_max_ms));
    connection->options.down(connection->options.owner, was_up);
    if (query != NULL)
        finish(query, lost_outcome(connection));
}

static void lose_by_libpq(struct connection *connection)
{
    lose(connection, PQerrorMessage(connection->pg));
}

/* --- connecting --- */

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static PGconn *connect_start(
    const struct config *config, int host, const char *signs, const char *password)
{
    char port[12], timeout[12], options[64], name[64], hosts[256];
    const char *keywords[] = {"host", "port", "dbname", "user", "password", "sslmode",
        "sslrootcert", "application_name", "options", "client_encoding", "gssencmode",
        "tcp_user_timeout", "keepalives_idle", "keepalives_interval", "target_session_attrs", NULL};
    const char *values[] = {hosts, port, config->database.name, config->database.user, password,
        config->database.sslmode, config->database.sslrootcert, name, options, "UTF8", "disable",
        timeout, "30", "10", attempt_host_count(config->database.host) > 1 ? "read-write" : "any",
        NULL};

    attempt_hosts(config->database.host, host, hosts, sizeof hosts);
    snprintf(port, sizeof port, "%d", config->database.port);
    snprintf(timeout, sizeof timeout, "%d", config->database.statement_timeout_ms + HUNG_GRACE_MS);
    snprintf(
        options, sizeof options, "-c statement_timeout=%d", config->database.statement_timeout_ms);
    snprintf(name, sizeof name, "pets-api/%s%s%s", config->pool.name, signs == NULL ? "" : " ",
        signs == NULL ? "" : signs);
    return PQconnectStartParams(keywords, values, 0);
}

void connection_start(struct connection *connection)
{
    const struct config *config = connection->options.config;
    char error[ERROR_SIZE] = "";
    char *password = NULL;

    connection->started = true;
    connection->state = CONNECTING;
    connection->since_us = loop_now(connection->options.loop);
    if (config->database.password_file[0] != '\0') {
        password = secret_read_line(config->database.password_file, error, sizeof error);
        if (password == NULL) {
            lose(connection, error);
            return;
        }
    }
    connection->pg = connect_start(config, connection->host, connection->options.signs, password);
    if (password != NULL)
        secret_free(password, strlen(password));
    if (connection->pg == NULL)
        base_out_of_memory();
    PQsetNoticeProcessor(connection->pg, ignore_notice, NULL);
    connection->watch.fd = PQsocket(connection->pg);
    if (PQstatus(connection->pg) == CONNECTION_BAD)
        lose_by_libpq(connection);
    else if (loop_add(connection->options.loop, &connection->watch, EPOLLOUT) != 0)
        lose(connection, strerror(errno));
}

/* Sends what libpq has buffered; asks for writability only while the socket is full. */
static int flush(struct connection *connection)
{
    int left = PQflush(connection->pg);

    if (left < 0)
        return -1;
    return loop_change(
        connection->options.loop, &connection->watch, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool prepares(const struct connection *connection, int statement)
{
    if (connection->options.probe)
        return statement == STATEMENT_READY;
    return (statements[statement].pools & connection->options.pools) != 0;
}

static int send_prepares(struct connection *connection)
{
    PGconn *pg = connection->pg;

    if (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1)
        return -1;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        const struct statement *statement = &statements[i];

        if (prepares(connection, i) && PQsendPrepare(pg, statement->name, statement->sql,
                                           statement->params, statement->types) != 1)
            return -1;
    }
    if (PQpipelineSync(pg) != 1)
        return -1;
    connection->state = PREPARING;
    connection->preparing = 0;
    return flush(connection);
}

static void on_connecting(struct connection *connection)
{
    struct loop *loop = connection->options.loop;
    PostgresPollingStatusType status = PQconnectPoll(connection->pg);

    /* libpq may have closed the socket and opened another one, even with the same number. */
    loop_remove(loop, &connection->watch);
    connection->watch.fd = PQsocket(connection->pg);
    if (status == PGRES_POLLING_FAILED)
        lose_by_libpq(connection);
    else if (loop_add(loop, &connection->watch,
                 status == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT) != 0)
        lose(connection, strerror(errno));
    else if (status == PGRES_POLLING_OK && send_prepares(connection) != 0)
        lose_by_libpq(connection);
}

static void on_prepared(struct connection *connection)
{
    connection->failures = 0;
    connection->error[0] = '\0';
    count(connection, COUNTER_DATABASE_CONNECTS);
    log_event(
        LEVEL_INFO, "database_connected", log_int("backend_pid", PQbackendPID(connection->pg)));
    connection->state = IDLE;
    connection->options.up(connection->options.owner);
}

/* Results of the PREPAREs, in the order they were sent. */
static void on_prepare_result(struct connection *connection, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    char reason[ERROR_SIZE];

    while (connection->preparing < STATEMENT_COUNT && !prepares(connection, connection->preparing))
        connection->preparing++;
    if (status == PGRES_PIPELINE_SYNC) {
        on_prepared(connection);
    } else if (status == PGRES_COMMAND_OK) {
        connection->preparing++;
    } else {
        snprintf(reason, sizeof reason, "cannot prepare %s: %.180s",
            connection->preparing < STATEMENT_COUNT ? statements[connection->preparing].name : "?",
            PQresultErrorMessage(result));
        lose(connection, reason);
    }
    PQclear(result);
}

/* --- running a query --- */

static int length_of(const char *text)
{
    return text == NULL ? 0 : (int)strlen(text);
}

static int send_enter_key(PGconn *pg, const struct query *query)
{
    const struct identity *identity = &query->identity;
    const char *values[] = {(const char *)identity->session.bytes,
        (const char *)identity->account.bytes, (const char *)identity->key_hash,
        identity->need_scope, query->application, query->trace};
    int lengths[] = {16, 16, 32, length_of(identity->need_scope), length_of(query->application),
        length_of(query->trace)};
    int formats[] = {1, 1, 1, 1, 1, 1};

    return PQsendQueryPrepared(
        pg, statements[STATEMENT_ENTER_KEY].name, countof(values), values, lengths, formats, 1);
}

static int send_enter(PGconn *pg, const struct query *query)
{
    const struct identity *identity = &query->identity;
    uint32_t max_age = htobe32((uint32_t)identity->max_age_s);
    const char *values[] = {(const char *)identity->session.bytes,
        (const char *)identity->account.bytes, identity->need_role,
        identity->need_mfa ? "\1" : "\0", identity->max_age_s > 0 ? (const char *)&max_age : NULL,
        query->application, query->trace};
    int lengths[] = {16, 16, length_of(identity->need_role), 1, 4, length_of(query->application),
        length_of(query->trace)};
    int formats[] = {1, 1, 1, 1, 1, 1, 1};

    return PQsendQueryPrepared(
        pg, statements[STATEMENT_ENTER].name, countof(values), values, lengths, formats, 1);
}

/* What comes before the statement: who asks, or at least for which trace. */
static int send_identity(PGconn *pg, const struct query *query)
{
    const int length = length_of(query->trace), format = 1;

    if (query->enter)
        return query->identity.key_hash != NULL ? send_enter_key(pg, query) : send_enter(pg, query);
    if (query->trace == NULL)
        return 1;
    return PQsendQueryPrepared(
        pg, statements[STATEMENT_TRACE].name, 1, &query->trace, &length, &format, 1);
}

static int send_statement(PGconn *pg, const struct query *query)
{
    const struct statement *statement = &statements[query->statement];

    if (query->bound != statement->params)
        abort();
    return PQsendQueryPrepared(
        pg, statement->name, query->bound, query->values, query->lengths, query->formats, 1);
}

static int send_query(struct connection *connection, const struct query *query)
{
    PGconn *pg = connection->pg;

    if (send_identity(pg, query) != 1)
        return -1;
    if (query->before != NULL && send_statement(pg, query->before) != 1)
        return -1;
    if (send_statement(pg, query) != 1 ||
        (query->settle != NULL ? PQsendFlushRequest(pg) : PQpipelineSync(pg)) != 1)
        return -1;
    return flush(connection);
}

/* Ends the transaction that was left open, after one more statement unless that is NULL. */
static void end_transaction(struct connection *connection, const struct query *last)
{
    PGconn *pg = connection->pg;

    connection->open = false;
    if ((last != NULL && send_statement(pg, last) != 1) || PQpipelineSync(pg) != 1 ||
        flush(connection) != 0)
        lose_by_libpq(connection);
}

/* The rows of the statement are in. What nobody waits for is not to take effect unseen. */
static void settle(struct connection *connection)
{
    static const struct query undo = {.statement = STATEMENT_UNDO};
    struct query *query = connection->query;

    connection->undone = query == NULL;
    end_transaction(connection, query == NULL ? &undo : query->settle(query));
}

int connection_send(struct connection *connection, struct query *query)
{
    if (send_query(connection, query) != 0) {
        lose_by_libpq(connection);
        return -1;
    }
    connection->state = BUSY;
    connection->since_us = loop_now(connection->options.loop);
    connection->query = query;
    connection->writes = statements[query->statement].writes;
    connection->results = 0;
    connection->last =
        1 + (query->enter || query->trace != NULL ? 1 : 0) + (query->before != NULL ? 1 : 0);
    connection->open = query->settle != NULL;
    connection->undone = false;
    connection->err = ERR_NONE;
    connection->definite = connection->readonly = false;
    query->connection = connection;
    if (query->sent != NULL)
        query->sent(query, PQbackendPID(connection->pg));
    return 0;
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
    cells = arena_alloc(query->arena, sizeof *cells * (size_t)rows->count * (size_t)rows->columns);
    rows->cells = cells;
    for (int row = 0; row < rows->count; row++) {
        for (int column = 0; column < rows->columns; column++, cells++) {
            cells->bytes = (const uint8_t *)PQgetvalue(result, row, column);
            cells->length =
                PQgetisnull(result, row, column) ? -1 : PQgetlength(result, row, column);
        }
    }
}

static const char *places_of(struct arena *arena, const PGresult *result)
{
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);

    return detail == NULL ? NULL : arena_string(arena, detail);
}

/* The first error of a query decides its outcome; what nobody expects is logged. */
static void note_error(struct connection *connection, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const struct query *query = connection->query;

    if (connection->err != ERR_NONE || connection->undone)
        return;
    if (sqlstate == NULL) {
        connection->err = ERR_DATABASE_UNAVAILABLE;
        return;
    }
    connection->err = sqlstate_err(sqlstate, constraint);
    if (query != NULL && strncmp(sqlstate, "PE", 2) == 0)
        connection->query->places = places_of(connection->query->arena, result);
    /* A server that ends the session may have committed: only other errors are a clear no. */
    connection->definite = strncmp(sqlstate, "57P", 3) != 0 && strncmp(sqlstate, "08", 2) != 0;
    connection->readonly = strcmp(sqlstate, "25006") == 0;
    if (connection->err == ERR_TIMED_OUT)
        count(connection, COUNTER_STATEMENT_TIMEOUTS);
    if (connection->err == ERR_INTERNAL || connection->err == ERR_TIMED_OUT) {
        count(connection, COUNTER_DATABASE_ERRORS);
        log_event(LEVEL_ERROR, "database_error",
            log_str("statement", query == NULL ? NULL : statements[query->statement].name),
            log_str("sqlstate", sqlstate), log_str("constraint", constraint),
            log_str("error", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
    }
}

/* The sync has come: the next query is sent first, so that PostgreSQL is not kept waiting. */
static void on_synced(struct connection *connection)
{
    struct query *query = connection->query;
    enum err err = connection->err;

    if (connection->readonly) {
        lose(connection, "the server is read-only");
        return;
    }
    connection->query = NULL;
    connection->state = IDLE;
    connection->options.idle(connection->options.owner);
    if (query != NULL)
        finish(query, err);
}

static void on_rows(struct connection *connection, PGresult *result)
{
    struct query *query = connection->query;

    connection->results++;
    if (query != NULL && query->enter && connection->results == 1)
        query->admin = strcmp(PQgetvalue(result, 0, 0), "ADMIN") == 0;
    if (query != NULL && connection->results == connection->last)
        keep_rows(query, result);
    else
        PQclear(result);
    if (connection->open && connection->results == connection->last)
        settle(connection);
}

static void on_query_result(struct connection *connection, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK) {
        on_rows(connection, result);
        return;
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_ABORTED &&
        status != PGRES_PIPELINE_SYNC) {
        note_error(connection, result);
        PQclear(result);
        if (connection->open)
            end_transaction(connection, NULL);
        return;
    }
    PQclear(result);
    if (status == PGRES_PIPELINE_SYNC)
        on_synced(connection);
}

/* One result after the other, until the sync or until there is nothing more to read. */
static void read_results(struct connection *connection)
{
    bool synced = false;

    while (!synced && (connection->state == PREPARING || connection->state == BUSY)) {
        PGresult *result;

        if (PQisBusy(connection->pg))
            return;
        result = PQgetResult(connection->pg);
        if (result == NULL) {
            /* Between the results of two commands; or nothing will ever come. */
            if (PQstatus(connection->pg) != CONNECTION_BAD)
                continue;
            lose_by_libpq(connection);
            return;
        }
        synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (connection->state == PREPARING)
            on_prepare_result(connection, result);
        else
            on_query_result(connection, result);
    }
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = container_of(watch, struct connection, watch);

    if (connection->state == CONNECTING) {
        on_connecting(connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && flush(connection) != 0) {
        lose_by_libpq(connection);
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    if (PQconsumeInput(connection->pg) == 1) {
        read_results(connection);
        return;
    }
    /* The last words of the server may have arrived before the end. */
    read_results(connection);
    if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_BAD)
        lose_by_libpq(connection);
}

void connection_check(struct connection *connection, int64_t now_us)
{
    const struct config *config = connection->options.config;
    int64_t age_ms = (now_us - connection->since_us) / 1000;

    switch (connection->state) {
    case DOWN:
        if (connection->started && now_us >= connection->since_us)
            connection_start(connection);
        break;
    case CONNECTING:
    case PREPARING:
        if (age_ms > config->database.connect_timeout_ms)
            lose(connection, "no answer within connect_timeout_ms");
        break;
    case BUSY:
        /* PostgreSQL's statement_timeout comes first; this is for one that says nothing. */
        if (age_ms > config->database.statement_timeout_ms + HUNG_GRACE_MS)
            lose(connection, "no answer within statement_timeout_ms");
        break;
    case IDLE:
        break;
    }
}

struct connection *connection_new(const struct connection_options *options)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        base_out_of_memory();
    connection->options = *options;
    connection->watch.fd = -1;
    connection->watch.ready = on_ready;
    return connection;
}

void connection_free(struct connection *connection)
{
    loop_remove(connection->options.loop, &connection->watch);
    if (connection->pg != NULL)
        PQfinish(connection->pg);
    free(connection);
}

bool connection_is_idle(const struct connection *connection)
{
    return connection->state == IDLE;
}

void connection_forget(struct connection *connection)
{
    connection->query = NULL;
}

const char *connection_error(const struct connection *connection)
{
    return connection->error;
}
