/*
 * base.h: what every file of the program starts from: the usual system headers, a few helpers, and
 * the functions that nobody may call. A poisoned name does not compile, so the ban needs no
 * reviewer. Include it after your own header and before any other.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* The number of elements of an array. */
#define countof(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* printf-like checking of the format argument at position f, its values from position v on. */
#define PRINTF_LIKE(f, v) __attribute__((format(printf, f, v), nonnull(f)))

/* The structure that contains `member` at `pointer`. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Out of memory: one line on standard error, then abort. A worker is its own fault domain. */
_Noreturn void base_out_of_memory(void);

/* Monotonic clock, microseconds. */
int64_t base_now_us(void);

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets
#pragma GCC poison gmtime localtime ctime asctime
#pragma GCC poison atoi atol atoll atof rand srand system

#endif
