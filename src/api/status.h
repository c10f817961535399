/*
 * status.h: one look at a pool. Everything that the ops routes say is taken here at once, so that a
 * page never contradicts itself; the renderings (JSON, text, HTML, metrics) only read it. Nothing
 * is written to the scoreboard and nothing waits: a stuck worker cannot hold up who looks at it.
 */
#ifndef API_STATUS_H
#define API_STATUS_H

#include "http/exchange.h"

enum { STATUS_STATES = WORKER_DRAINING + 1 };

/* One process. Ages are microseconds; what cannot be known is -1. */
struct status_worker {
    int32_t pid;
    enum worker_kind kind;
    enum worker_state state;
    uint32_t generation;
    uint32_t connections, active, queued, database_ready, hashing, hash_pending;
    uint64_t requests; /* answered */
    int64_t age_us;
    int64_t silent_us; /* since its loop last went round */
    int64_t rss_bytes;
    size_t entry_count;
    struct request_entry entries[SCOREBOARD_REQUESTS];
};

/* What a person wants to know first. */
enum status_health {
    HEALTH_OK,
    HEALTH_DEGRADED, /* it serves, but something needs attention */
    HEALTH_DOWN,     /* requests that need a worker or the database are not served */
    HEALTH_DRAINING, /* the pool is stopping, as asked */
};

/* Answers of the pool by status class, and how long they took; those of the ops routes are left
 * out. */
struct status_answers {
    uint64_t requests;
    uint64_t classes[SCOREBOARD_CLASSES];
    uint64_t buckets[SCOREBOARD_BUCKETS];
};

struct status {
    const char *pool;
    const char *version;
    int64_t now_us;
    int32_t master_pid;
    int64_t started_epoch_s;
    int64_t uptime_us;
    uint32_t generation;
    uint64_t reloads, reloads_failed;
    bool draining;
    enum status_health health;
    const char *reason; /* for health other than OK: one sentence, in the arena */

    /* Sums over the workers of the pool; the ops worker is not among them. */
    uint32_t states[STATUS_STATES];
    uint32_t connections, active, queued, database_ready, hashing, hash_pending;

    int64_t listen_queue, listen_limit; /* -1: unknown */
    int64_t signing_key_s; /* when the oldest key that a worker signs with was published; 0: none */
    int64_t rss_bytes;     /* of all workers, the ops worker among them */
    uint64_t endings[ENDING_COUNT];
    struct totals *totals; /* every route, and everything that is counted */
    struct status_answers answers;

    /* The same over the last seconds; window_us is 0 when nobody looked in the last minute. */
    int64_t window_us;
    struct status_answers recent;

    size_t worker_count;
    struct status_worker *workers; /* in the order of the slots */
};

/* Looks. Owned by the arena of the exchange. */
const struct status *status_take(struct exchange *exchange);

const char *status_health_name(enum status_health health);

/* Whether its loop has stopped going round: in a system call, a library, or an endless loop. */
bool status_stuck(const struct status_worker *worker);

/* For people, into a buffer of STATUS_WORD bytes, which is returned: "950 us", "1.25 ms", "12.5 s";
 * "-" for -1. And "04:05:06", "3d 04:05:06". */
enum { STATUS_WORD = 24 };
const char *status_duration(int64_t us, char *text);
const char *status_age(int64_t us, char *text);

/* "GET /v1/pets/{id}"; NULL when no route matched. In static storage, until the next call. */
const char *status_route(unsigned route);

/* The answers of one route by status class, copied; returns their sum. */
uint64_t status_classes(const struct status *status, unsigned route, uint64_t *classes);

/* The statement that a request in flight has sent; NULL when none. */
const char *status_statement(const struct request_entry *entry);

/*
 * The latency below which the part `q` (0..1) of the answers was, in microseconds: an estimate, as
 * the histogram knows no more than its bounds. -1 when there were none.
 */
int64_t status_quantile(const struct status_answers *answers, double q);

/* The upper bound of the slowest answer, microseconds; INT64_MAX beyond the last bound, -1 when
 * there were none. */
int64_t status_slowest(const struct status_answers *answers);

/* Renders into the body of the reply; `full` with every worker and request in flight. */
void status_json(const struct status *status, struct exchange *exchange, bool full);
void status_text(const struct status *status, struct exchange *exchange, bool full);

#endif
