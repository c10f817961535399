/*
 * request.h: a request as it came: its line, the headers that matter, its query string taken apart.
 * All strings are owned by the arena of the exchange.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/arena.h"
#include "base/err.h"
#include "http/fastcgi.h"
#include "http/route.h"
#include "http/trace.h"

enum { REQUEST_ID_SIZE = 33, PARAMETERS_MAX = 32 };

struct request {
    enum method method;
    const char
        *target; /* the path as it was sent, without the query string, in ASCII; for `instance` */
    const char *path;             /* decoded */
    const char *query;            /* raw; NULL when there is none */
    char id[REQUEST_ID_SIZE];     /* 32 hexadecimal digits, of this request alone */
    bool traced;                  /* it has come with a valid traceparent */
    char trace_id[TRACE_ID_SIZE]; /* of that, or else the id */
    const char *address;          /* NULL: not an Internet address */
    const char *content_type;
    const char *content_encoding;
    const char *authorization;
    const char *accept;
    const char *if_match;
    const char *if_none_match;
    const char *idempotency_key;
    const char *prefer;
    const char *user_agent; /* NULL also when it is not text */
    struct fastcgi_body body;
};

/* Which request a line of the log is about: `request` is a pointer. The names of two fields. */
#define log_request(request)                                                                       \
    log_str("request_id", (request)->id),                                                          \
        log_str((request)->traced ? "trace_id" : "", (request)->trace_id)

/* Reads what fastcgi_read got. ERR_NOT_FOUND when the path cannot be one of ours. */
enum err request_read(struct request *request, const struct fastcgi *fastcgi, struct arena *arena);

/* Checks the query string against the table of parameters; values[i] belongs to parameters[i]. */
void request_parameters(const struct request *request, const struct field *parameters, size_t count,
    struct value *values, struct violations *violations);

/* Whether a media type, parameters aside, is the one wanted. Charsets other than UTF-8 are not. */
bool media_type_is(const char *content_type, const char *wanted);

/* The quality (0 to 1000) that an Accept header gives to a media type (RFC 9110 section 12.5.1).
 * NULL accepts all. */
int accept_quality(const char *accept, const char *media_type);

/* A copy with %XX (and + with `plus`) decoded, NULs too; NULL when malformed. */
char *percent_decode(
    struct arena *arena, const char *text, size_t length, bool plus, size_t *decoded);

#endif
