/*
 * base.c: the two functions everything else needs: what happens when memory is gone, and what time
 * it is. Memory exhaustion is never handled further up: it ends the worker, and the master replaces
 * it.
 */
#include "base/base.h"

void base_out_of_memory(void)
{
    static const char line[] = "{\"level\":\"error\",\"event\":\"out_of_memory\"}\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);

    (void)written;
    abort();
}

int64_t base_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
