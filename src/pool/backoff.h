/*
 * backoff.h: how long to wait before a worker that dies young is started again: 1 s, then twice as
 * long after each failure, at most 60 s. One a place in the pool.
 */
#ifndef POOL_BACKOFF_H
#define POOL_BACKOFF_H

#include "base/base.h"

enum { BACKOFF_FIRST_S = 1, BACKOFF_MAX_S = 60 };

struct backoff {
    int delay_s;      /* 0: the last one did not fail */
    int64_t until_us; /* monotonic */
};

/* It died before it had been healthy. */
void backoff_failed(struct backoff *backoff, int64_t now_us);

/* It had been healthy: forgets the failures. */
void backoff_reset(struct backoff *backoff);

/* Whether it may be started now. */
bool backoff_is_over(const struct backoff *backoff, int64_t now_us);

#endif
