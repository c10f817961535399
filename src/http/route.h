/*
 * route.h: the table of routes: what the API offers. Dispatch, Allow, access control, validation,
 * metrics and the contract tests all read it. A row is made with ROUTE, which demands the access
 * column: a route that does not say who may use it does not compile.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "http/field.h"

struct exchange;

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_UNKNOWN
};

enum route_pool { ROUTE_API = 1, ROUTE_AUTH = 2, ROUTE_OPS = 4 };

enum access {
    ACCESS_PUBLIC = 1, /* anybody */
    ACCESS_USER,       /* whoever has a live session */
    ACCESS_ADMIN,      /* the same, with the role ADMIN */
};

enum route_body {
    BODY_NONE,     /* a body is read and ignored */
    BODY_JSON,     /* application/json, every field */
    BODY_OPTIONAL, /* the same, or none: then no field is given */
    BODY_MERGE,    /* application/merge-patch+json, the fields to change */
    BODY_LIST,     /* application/json, an array of up to ROUTE_LIST_MAX objects of all fields */
};

/*
 * A handler's half. `ask` binds a query (exchange_query), waits for something else (exchange_wait),
 * or fills the reply. `answer` is called with the rows, or when the wait is over; it may do the
 * same again.
 */
typedef enum err handler(struct exchange *exchange);

struct route {
    enum method method;
    const char *path; /* segments; {id} stands for a UUID */
    unsigned pools;   /* enum route_pool bits */
    enum access access;
    handler *ask;
    handler *answer;
    enum route_body body;
    const struct field *fields; /* of the body */
    size_t field_count;
    const struct field *parameters; /* of the query string */
    size_t parameter_count;
    const char *scope; /* that an API key needs; NULL: none will do */
    bool step_up;      /* the person must have proved who it is within session.step_up_s */
    bool negotiates;   /* the handler looks at Accept itself */
    bool repeats;      /* an Idempotency-Key is taken; the handlers make one query */
    handler *check;    /* more about the body than its fields can say; adds violations */
};

#define ROUTE(method, path, pools, access, ask, answer, ...)                                       \
    {                                                                                              \
        METHOD_##method, path, pools, ACCESS_##access, ask, answer, __VA_ARGS__                    \
    }

/* The whole table; at most SCOREBOARD_ROUTES rows. */
struct route_table {
    const struct route *routes;
    size_t count;
};

enum { ROUTE_LIST_MAX = 100, ROUTE_ALLOW_SIZE = 64, ROUTE_NAME_SIZE = 96 };

struct route_match {
    const struct route *route;    /* NULL: none */
    char id[40];                  /* the text that stood for {id}, lower or upper case; "" */
    bool merges;                  /* PATCH is one of them, with a merge patch */
    char allow[ROUTE_ALLOW_SIZE]; /* the methods of this path; "" when the path is not known */
};

enum method method_parse(const char *text);
const char *method_name(enum method method);

/* Finds a route of these pools. HEAD finds GET's. `path` is decoded already and NUL-terminated. */
void route_find(const struct route_table *table, unsigned pools, enum method method,
    const char *path, struct route_match *match);

/* "GET /v1/pets/{id}", owned by the caller's buffer. */
const char *route_name(const struct route *route, char *buffer, size_t size);

#endif
