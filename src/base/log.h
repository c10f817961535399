/*
 * log.h: one event, one JSON line, one write. Every value is escaped; nothing that came from
 * outside can forge a line. Fields are typed, so nobody formats JSON by hand:
 *
 *     log_event(LEVEL_WARNING, "slow_request",
 *         log_str("request_id", id), log_int("elapsed_ms", elapsed));
 *
 * A line starts with time (RFC 3339, UTC, microseconds), level, pool, pid and event. Secrets,
 * tokens, passwords and e-mail addresses never go into a field.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR };

struct log_field {
    const char *key; /* NULL ends the list; an empty one is left out */
    enum { LOG_STRING, LOG_NUMBER, LOG_BOOL } type;
    const char *string; /* borrowed; NULL is logged as null */
    int64_t number;
};

#define log_str(key, value)  ((struct log_field){key, LOG_STRING, value, 0})
#define log_int(key, value)  ((struct log_field){key, LOG_NUMBER, NULL, (int64_t)(value)})
#define log_bool(key, value) ((struct log_field){key, LOG_BOOL, NULL, (value) ? 1 : 0})
#define log_errno(error)     ((struct log_field){"error", LOG_STRING, strerror(error), 0})

#define log_event(level, event, ...)                                                               \
    log_write(level, event, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

/* Where lines go: `file` (appended, 0640) or standard error when NULL or empty. 0, or -1 with
 * errno. */
int log_open(const char *file);

/* Opens the file anew, after a rotation; the old one stays in use when that fails (-1). */
int log_reopen(void);

/* The pool named in every line (borrowed for the life of the process), and the lowest level
 * written. */
void log_pool(const char *pool);
void log_threshold(enum log_level level);

void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
