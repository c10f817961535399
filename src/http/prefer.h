/*
 * prefer.h: what a client would rather have (RFC 7240). Of all preferences one is honoured:
 * `return`, what comes back from a request that changes something.
 */
#ifndef HTTP_PREFER_H
#define HTTP_PREFER_H

enum prefer { PREFER_NOTHING, PREFER_MINIMAL, PREFER_REPRESENTATION };

/* The first `return` of a Prefer header, which may be NULL. What is malformed is passed over. */
enum prefer prefer_return(const char *header);

#endif
