/*
 * attempt.h: the next attempt to connect: where it begins, and when.
 */
#ifndef DB_ATTEMPT_H
#define DB_ATTEMPT_H

#include "base/base.h"

/* How many hosts the list has; they are separated by commas. */
int attempt_host_count(const char *hosts);

/* The hosts in turn, beginning with the one of that number (modulo how many there are). */
void attempt_hosts(const char *hosts, int from, char *turned, size_t size);

/* How long to wait after so many failures in a row, in microseconds: half of it is chance, so that
 * many workers do not come back in step. */
int64_t attempt_wait_us(int failures, int limit_ms);

#endif
