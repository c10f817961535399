/*
 * pools.h: petsctl status: what the pools of this machine do, asked of their ops sockets, once or
 * again and again. A rate is the difference between two looks; so is what one worker does a second.
 */
#ifndef CTL_POOLS_H
#define CTL_POOLS_H

#include "ctl/ctl.h"
#include "http/json_in.h"

enum { POOLS_MAX = 8, POOLS_ERROR = 256 };

struct pools_look {
    struct arena *arena;       /* owns the rest */
    const struct json *status; /* the document of /status; NULL: no answer, or not asked yet */
    const char *body;          /* the same as text */
    size_t length;
    int64_t at_us;
};

struct pools_pool {
    const char *name;
    const char *socket;
    char error[POOLS_ERROR]; /* why there is no answer */
    struct pools_look now, before;
};

struct pools {
    struct pools_pool pool[POOLS_MAX];
    size_t count;
    double interval_s;
    bool live;   /* on a terminal, again and again */
    bool colour; /* on a terminal that may have colours */
};

/* A number, also that of a member of a member; -1: null, or not there. */
int64_t pools_number(const struct json *object, const char *name, const char *member);

/* Whether it answers, and a request would be served. */
bool pools_serves(const struct pools_pool *pool);

/* What the pool counts as an error: 5xx, and answers that nobody took. -1: unknown. */
int64_t pools_errors(const struct pools_look *look);

/* A second; -1: unknown, as when the pool is another one than at the look before. */
double pools_rate(const struct pools_pool *pool, int64_t now, int64_t before);

/* The verb; `words` begins with its name. */
enum ctl_exit pools_status(int count, char **words);

#endif
