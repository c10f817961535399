/*
 * backoff.c: doubling without jitter: a pool's workers may well try together, they fail for the
 * same reason.
 */
#include "pool/backoff.h"
#include "base/base.h"

void backoff_failed(struct backoff *backoff, int64_t now_us)
{
    if (backoff->delay_s == 0)
        backoff->delay_s = BACKOFF_FIRST_S;
    else
        backoff->delay_s = MIN(backoff->delay_s * 2, BACKOFF_MAX_S);
    backoff->until_us = now_us + (int64_t)backoff->delay_s * 1000000;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->delay_s = 0;
    backoff->until_us = 0;
}

bool backoff_is_over(const struct backoff *backoff, int64_t now_us)
{
    return now_us >= backoff->until_us;
}
