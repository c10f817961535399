/*
 * uuid.c: version 7 with a dedicated counter (RFC 9562, section 6.2, method 1): 48 bits of
 * milliseconds, 12 bits of counter, 62 random bits. The counter starts each millisecond at a random
 * value of 11 bits and so has room to count 2048 more; should even that overflow, or the clock be
 * set back, the time runs ahead of the clock instead of going back. Randomness is fetched for many
 * at a time, and forgotten by a forked child, which must not repeat its parent's.
 */
#include "base/uuid.h"
#include "base/base.h"

#include <pthread.h>
#include <sys/random.h>

enum { POOL_SIZE = 256, COUNTER_MAX = 0xfff, COUNTER_SEED = 0x7ff };

static _Thread_local struct {
    uint8_t random[POOL_SIZE];
    size_t left;
    uint64_t last_ms;
    unsigned counter;
} state;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void forget(void)
{
    explicit_bzero(&state, sizeof state);
}

static void forget_after_fork(void)
{
    pthread_atfork(NULL, NULL, forget);
}

/* `count` random bytes; a call never spans two fetches. */
static const uint8_t *take_random(size_t count)
{
    if (state.left < count) {
        pthread_once(&fork_once, forget_after_fork);
        if (getrandom(state.random, sizeof state.random, 0) != (ssize_t)sizeof state.random)
            abort();
        state.left = sizeof state.random;
    }
    state.left -= count;
    return state.random + state.left;
}

/* The next pair of time and counter, always greater than the one before. */
static void advance(uint64_t now_ms, unsigned seed)
{
    if (now_ms > state.last_ms) {
        state.last_ms = now_ms;
        state.counter = seed & COUNTER_SEED;
    } else if (state.counter < COUNTER_MAX) {
        state.counter++;
    } else {
        state.last_ms++;
        state.counter = seed & COUNTER_SEED;
    }
}

void uuid_v7(struct uuid *uuid)
{
    const uint8_t *random = take_random(10);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    advance((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        (unsigned)random[8] << 8 | random[9]);
    for (int i = 0; i < 6; i++)
        uuid->bytes[i] = (uint8_t)(state.last_ms >> (40 - 8 * i));
    uuid->bytes[6] = (uint8_t)(0x70 | state.counter >> 8);
    uuid->bytes[7] = (uint8_t)state.counter;
    memcpy(uuid->bytes + 8, random, 8);
    uuid->bytes[8] = (uint8_t)(0x80 | (uuid->bytes[8] & 0x3f));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A hyphen stands before these bytes. */
static bool hyphen_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool uuid_parse(const char *text, size_t length, struct uuid *uuid)
{
    struct uuid parsed;

    if (length != UUID_SIZE - 1)
        return false;
    for (size_t byte = 0; byte < sizeof parsed.bytes; byte++) {
        int high, low;

        if (hyphen_before(byte) && *text++ != '-')
            return false;
        high = hex_digit(*text++);
        low = hex_digit(*text++);
        if (high < 0 || low < 0)
            return false;
        parsed.bytes[byte] = (uint8_t)(high << 4 | low);
    }
    *uuid = parsed;
    return true;
}

void uuid_format(const struct uuid *uuid, char out[UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t byte = 0; byte < sizeof uuid->bytes; byte++) {
        if (hyphen_before(byte))
            *out++ = '-';
        *out++ = digits[uuid->bytes[byte] >> 4];
        *out++ = digits[uuid->bytes[byte] & 15];
    }
    *out = '\0';
}
