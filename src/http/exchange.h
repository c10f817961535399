/*
 * exchange.h: one request and its reply, on one kept connection. It passes twice through
 * exchange.c:
 *
 *     ask:    read -> match the route -> authenticate -> check query string and body -> handler's
 * ask answer: rows are in -> handler's answer -> preconditions -> send -> count -> reset the arena
 *
 * What is needed below (authentication lives on a higher floor) comes in through `struct app`.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "db/db.h"
#include "http/reply.h"
#include "http/route.h"
#include "pool/worker.h"

enum { APPLICATION_NAME_SIZE = 64 };
enum { EXCHANGE_VALUES = 20 };

/* Who is asking, from a verified token. The role is known to the database alone. */
struct principal {
    struct uuid account;
    struct uuid session; /* or the API key's id */
    bool key;            /* an API key was given */
    uint8_t key_hash[32];
};

/* What a worker serves; borrowed for its life. */
struct app {
    struct worker *worker;
    struct db *db;
    const struct route_table *table;
    unsigned pools; /* ROUTE_* bits of the routes served */
    /* Checks an access token and fills the principal. NULL when no route needs one. */
    enum err (*authenticate)(
        struct app *app, const char *token, size_t length, struct principal *principal);
    /* Makes the cursor for a position of a list, and reads it; good in the same context alone.
     * NULL: the library failed; false: it is none. */
    char *(*cursor_make)(struct app *app, struct arena *arena, const struct text *context,
        const struct text *position);
    bool (*cursor_open)(struct app *app, struct arena *arena, const struct text *context,
        const struct text *cursor, struct text *position);
    /* SHA-256. -1 when the library fails. NULL when no route may be repeated. */
    int (*digest)(const void *bytes, size_t length, uint8_t digest[32]);
    /* What transactions are called, in front of the trace; "": as their connection is. */
    char name[32];
    void *service; /* what handlers need (the api floor knows its type) */
};

struct exchange {
    struct app *app;
    struct arena *arena;
    struct fastcgi *fastcgi; /* borrowed from the connection */
    struct request request;
    const struct route *route; /* NULL until matched */
    struct uuid id;            /* what stood for {id} in the path; zeros: nothing did */
    struct principal principal;
    struct value parameters[EXCHANGE_VALUES]; /* of the query string, by the route's table */
    struct value values[EXCHANGE_VALUES];     /* of the body, by the route's table */
    struct value *items; /* of a list: item i's fields begin at items[i * field_count] */
    size_t item_count;
    struct violations violations;
    const char *detail;   /* more about the error that a handler returns; NULL: the table's */
    struct text key;      /* Idempotency-Key; bytes is NULL: none */
    uint8_t *fingerprint; /* of what the key stands for */
    bool settled;         /* the reply is made and stored, or failed with `err` */
    bool answered;        /* what is asked for is the answer of the first time */
    enum err err;
    struct query query;
    struct reply reply;
    enum err refused; /* the answer, while a refusal is being recorded */
    int step;         /* the handler's own: how often it was called again */
    void *memory;     /* the handler's own, in the arena */

    /* What it waits for. */
    enum { EXCHANGE_IDLE, EXCHANGE_RUNNING, EXCHANGE_QUERY, EXCHANGE_WAIT } state;
    void (*cancel)(struct exchange *exchange); /* EXCHANGE_WAIT: stop waiting */
    void *waiting;                             /* and for what; cancel's own */

    /* Bookkeeping. */
    int entry; /* in the scoreboard */
    int64_t started_us;
    bool slow_logged;
    bool peer_gone;
    void (*over)(struct exchange *exchange, bool kept); /* the connection's */
};

/* --- for handlers --- */

/*
 * Begins a query; bind its parameters and return ERR_NONE. On routes that are not public the
 * caller's identity is entered first, in the same round trip.
 */
struct query *exchange_query(struct exchange *exchange, enum statement_id statement);

/* Waits in `stage` until exchange_resume; `cancel` is called when the request ends before. */
void exchange_wait(
    struct exchange *exchange, enum stage stage, void (*cancel)(struct exchange *exchange));
/* The wait is over: the handler's `answer` is called. */
void exchange_resume(struct exchange *exchange);

/* --- for the server --- */

/*
 * Reads and serves one request; `exchange->app`, `fastcgi`, `arena` and `over` are set. `over` is
 * called once, now or later, when it has been answered.
 */
void exchange_serve(struct exchange *exchange);

/* The peer is gone: stops what can be stopped. May call `over`. */
void exchange_abandon(struct exchange *exchange);

/* Checks the timeouts of a request in flight. May call `over`. */
void exchange_check(struct exchange *exchange, int64_t now_us);

#endif
