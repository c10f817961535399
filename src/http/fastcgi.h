/*
 * fastcgi.h: one kept connection from the web server, spoken through libfcgi. The library's calls
 * block; they are made only when the descriptor is readable, and the guard of the worker bounds
 * each of them (limit_ms), so that a half-dead peer holds the loop no longer than that.
 *
 * Who may connect is trusted not to attack the library: a GET_VALUES record with many questions, or
 * two lengths of a parameter that overflow an int together, end the process; and a request that is
 * sent before the one before it has been answered is lost. No web server does any of this; the
 * socket's mode keeps others out.
 */
#ifndef HTTP_FASTCGI_H
#define HTTP_FASTCGI_H

#include "base/arena.h"

struct fastcgi;

/* Once a process. 0, or -1. */
int fastcgi_init(void);

/* Takes over the descriptor. Caller frees (which closes it). */
struct fastcgi *fastcgi_new(int fd);
void fastcgi_free(struct fastcgi *fastcgi);

enum fastcgi_read {
    FASTCGI_REQUEST, /* a whole request was read */
    FASTCGI_BROKEN,  /* half a request, nonsense, another role: the connection is closed */
    FASTCGI_LATE,    /* the same, because the guard struck */
};

struct fastcgi_body {
    const char *bytes; /* owned by the arena; NUL-terminated; NULL when longer than allowed */
    size_t length;     /* as received */
};

/* Reads one request: its parameters, and its body of at most `max` bytes (more is read and
 * dropped). */
enum fastcgi_read fastcgi_read(struct fastcgi *fastcgi, struct arena *arena, size_t max,
    struct fastcgi_body *body, int limit_ms);

struct fastcgi_name {
    const char *text;
    size_t length;
};
#define FASTCGI_NAME(text)                                                                         \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

/*
 * The parameters of these names, all in one walk: the library would walk once for each. values[i]
 * belongs to names[i], is NULL when there is none, and borrowed until the answer.
 */
void fastcgi_params(const struct fastcgi *fastcgi, const struct fastcgi_name *names,
    const char **values, size_t count);

/*
 * Sends `head` (CGI header lines and the empty line) and `body`, and ends the request. False: the
 * connection is closed, because the peer is gone, slow, or did not ask to keep it.
 */
bool fastcgi_answer(struct fastcgi *fastcgi, const char *head, size_t head_length, const char *body,
    size_t body_length, int limit_ms);

#endif
