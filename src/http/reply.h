/*
 * reply.h: what goes back: a status, a few headers that have names here, and a body. Handlers fill
 * it; only the exchange renders and sends it.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "base/buf.h"
#include "base/err.h"
#include "http/field.h"
#include "http/request.h"

struct reply {
    int status;
    struct buf body;
    struct json_out json;     /* writes into body */
    const char *content_type; /* NULL: application/json, when there is a body */
    const char *location;
    const char *link;
    const char *allow;
    const char *accept_post; /* Accept or Accept-Patch on 415 */
    const char *accept_patch;
    const char *accept_encoding; /* the same, when the coding of the body is not known */
    const char *challenge;       /* WWW-Authenticate of a 401; NULL: the usual one */
    const char *preference_applied;
    const char *cache_control; /* NULL: the web server says no-store */
    const char *vary;
    int32_t version; /* rendered as ETag; 0: none */
    int retry_after; /* seconds; 0: that of the error, or none */
    /* RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), also of a problem. */
    const char *rate_limit_policy, *rate_limit;
};

void reply_init(struct reply *reply, struct arena *arena);

/* Turns the reply into a problem (RFC 9457). `detail` NULL: the one of the table. */
void reply_problem(struct reply *reply, const struct request *request, enum err err,
    const char *detail, const struct violations *violations);

/* The header lines in CGI form (RFC 3875 section 6), with the empty line. */
void reply_head(const struct reply *reply, struct buf *head);

#endif
