/*
 * attempt.c: an attempt to connect goes through all hosts, but one that is silent takes all of its
 * time. So the next attempt begins with the next host.
 */
#include "db/attempt.h"

#include <sys/random.h>

enum { FIRST_MS = 100 };

int attempt_host_count(const char *hosts)
{
    int count = 1;

    for (; *hosts != '\0'; hosts++)
        count += *hosts == ',' ? 1 : 0;
    return count;
}

void attempt_hosts(const char *hosts, int from, char *turned, size_t size)
{
    const char *first = hosts;

    for (int i = from % attempt_host_count(hosts); i > 0; i--)
        first = strchr(first, ',') + 1;
    if (first == hosts)
        snprintf(turned, size, "%s", hosts);
    else
        snprintf(turned, size, "%s,%.*s", first, (int)(first - hosts - 1), hosts);
}

int64_t attempt_wait_us(int failures, int limit_ms)
{
    int64_t wait = FIRST_MS;
    uint32_t random = 0;

    for (int i = 1; i < failures && wait < limit_ms; i++)
        wait *= 2;
    wait = MIN(wait, limit_ms);
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)base_now_us();
    return wait * 500 + wait * 500 * (random % 1024) / 1024;
}
