/*
 * http_fixture.h: one end of a FastCGI connection for unit tests and fuzzers: the test writes what
 * the web server would write, the code under test reads it through libfcgi as in a worker.
 */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include "base/base.h"
#include "http/request.h"

struct peer {
    int fd; /* the web server's end */
    struct fastcgi *fastcgi;
    struct arena *arena;
};

enum { RECORD_BEGIN = 1, RECORD_ABORT, RECORD_END, RECORD_PARAMS, RECORD_STDIN, RECORD_STDOUT };

void peer_open(struct peer *peer);
void peer_close(struct peer *peer);

/* One record, with its header. */
void peer_record(const struct peer *peer, int type, const void *bytes, size_t length);
/* Any bytes. */
void peer_raw(const struct peer *peer, const void *bytes, size_t length);
/* The web server has nothing more to say. */
void peer_end(const struct peer *peer);

/* BEGIN, PARAMS, STDIN: `params` are names and values in turn and end with NULL. */
void peer_request(
    const struct peer *peer, const char *const *params, const void *body, size_t length);

/* Reads the request that was written, with room for so many bytes of body. */
enum fastcgi_read peer_read(const struct peer *peer, size_t max, struct fastcgi_body *body);

/* What has been answered so far: the contents of the STDOUT records, NUL-terminated, in the arena.
 */
const char *peer_answer(const struct peer *peer, size_t *length);

#endif
