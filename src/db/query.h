/*
 * query.h: one statement with its parameters, on its way to the database and back. A query lives in
 * its owner's arena. Parameters are bound in the order that the statement declares them; each
 * binder checks the type against the compiled table and aborts on a mismatch, so a wrong order
 * cannot reach the database.
 */
#ifndef DB_QUERY_H
#define DB_QUERY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"
#include "db/rows.h"
#include "statements.h"

enum { QUERY_PARAMS = 20 };

/* Who is asking, and what is needed for it; see enter.sql and api_key.sql in sql/schema/deploy. */
struct identity {
    struct uuid session; /* or the API key's id */
    struct uuid account;
    const uint8_t *key_hash; /* of an API key, 32 bytes, borrowed; NULL: a session */
    const char *need_scope;  /* of an API key; the rest is for sessions */
    const char *need_role;   /* NULL: any */
    bool need_mfa;           /* an ADMIN without the second factor is a USER */
    int32_t max_age_s;       /* since the person proved who it is; 0: any */
};

struct query {
    struct arena *arena; /* borrowed: parameters and results live in it */
    enum statement_id statement;
    int bound;
    const char *values[QUERY_PARAMS]; /* NULL: SQL null */
    int lengths[QUERY_PARAMS];
    int formats[QUERY_PARAMS]; /* 0 text, 1 binary */

    /* With an identity, pets.enter runs first, in the same round trip and transaction. */
    bool enter;
    struct identity identity;
    /*
     * What the transaction is to be known by, sent along with enter: application_name, and the
     * trace, which the audit record takes from the setting pets.trace_id. NULL: neither is set.
     * Without an identity a trace is sent before the statement, and no name. Borrowed.
     */
    const char *application;
    const char *trace;
    /* A statement between enter and this one, in the same transaction; its rows are dropped. NULL:
     * none. Borrowed. */
    struct query *before;
    /*
     * NULL: the transaction ends with the statement. Else it is left open until the rows are in;
     * `settle` is called with them and returns one more statement for it, or NULL, and then it
     * ends. It must not submit anything. Not called when the statement fails, nor for a query that
     * was cancelled: that one is undone.
     */
    struct query *(*settle)(struct query *query);

    /* Called once, from the loop, unless the query is cancelled before. */
    void (*done)(struct query *query);
    /* Called when it leaves the queue for a connection with this backend. May be NULL. */
    void (*sent)(struct query *query, int backend_pid);
    void *owner;

    /* The outcome. */
    enum err err;
    bool admin; /* enter: the account's role is ADMIN */
    /* Of an error of the schema's own: the places in the body that it is about, JSON Pointers
     * separated by blanks; NULL: it names none. */
    const char *places;
    struct rows rows;

    /* Private to db.c and connection.c. */
    struct query *next;
    struct connection *connection;
    int64_t submitted_us;
    bool queued;
};

void query_init(struct query *query, struct arena *arena, enum statement_id statement);
void query_identity(struct query *query, const struct identity *identity);

void query_null(struct query *query);
void query_uuid(struct query *query, const struct uuid *uuid); /* NULL: SQL null */
void query_text(struct query *query, const char *text, size_t length);
void query_string(struct query *query, const char *string); /* NULL: SQL null */
void query_bool(struct query *query, bool value);
void query_int4(struct query *query, int32_t value);
void query_int8(struct query *query, int64_t value);
/* bytea; the bytes are borrowed. NULL: SQL null. */
void query_bytes(struct query *query, const void *bytes, size_t length);
void query_date(struct query *query, int32_t days_since_2000);
/* A text, date or time as it came in a row; the bytes are borrowed. */
void query_cell(struct query *query, const void *bytes, size_t length);
/* An address in its text form; NULL or empty: SQL null. */
void query_inet(struct query *query, const char *address);

struct text {
    const char *bytes;
    size_t length;
};
void query_text_array(struct query *query, const struct text *texts, size_t count);
void query_bytes_array(struct query *query, const struct text *values, size_t count);
/* jsonb from its text. */
void query_json(struct query *query, const char *json, size_t length);
void query_int4_array(struct query *query, const int32_t *values, size_t count);

#endif
