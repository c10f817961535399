/*
 * scoreboard.h: what every worker is doing and has done, in one anonymous shared mapping made by
 * the master before it forks. One slot a worker; only its owner writes it (the `state` field
 * excepted: see below). The counters are single 64-bit words, written with relaxed atomics, so a
 * reader sees each of them whole. What belongs together (an entry of a request in flight) is under
 * the slot's sequence counter: readers copy and try again when it moved. When a worker is gone the
 * master folds its counters into the `retired` slot, which it alone writes, and clears the slot:
 * totals are summed when read and never drift.
 */
#ifndef POOL_SCOREBOARD_H
#define POOL_SCOREBOARD_H

#include "base/base.h"

enum {
    SCOREBOARD_ROUTES = 64,   /* at most so many routes in the table */
    SCOREBOARD_REQUESTS = 32, /* requests in flight that are shown one by one */
    SCOREBOARD_BUCKETS = 16,  /* of the latency histogram, the last is +Inf */
    SCOREBOARD_CLASSES = 6,   /* status class: 1xx..5xx at 1..5; 0: no answer could be sent */
};

enum worker_kind { WORKER_POOL, WORKER_OPS };

enum worker_state {
    WORKER_FREE,     /* no process */
    WORKER_STARTING, /* forked, not ready */
    WORKER_READY,    /* serving */
    WORKER_RETIRING, /* serving, asks the master for a replacement (max_requests) */
    WORKER_DRAINING, /* accepts no new connection, serves the kept ones until they close */
};

/* Where a request is. */
enum stage {
    STAGE_NONE,
    STAGE_READ,     /* reading the request from the web server */
    STAGE_CHECK,    /* routing, token, validation */
    STAGE_QUEUE,    /* waiting for a database connection */
    STAGE_DATABASE, /* waiting for PostgreSQL */
    STAGE_HASH,     /* waiting for bcrypt */
    STAGE_ANSWER,   /* rendering and writing */
    STAGE_COUNT
};

/* Totals that are not by route. The table in scoreboard.c names and explains each (metrics,
 * status). */
enum counter {
    COUNTER_CONNECTIONS_ACCEPTED,
    COUNTER_CONNECTIONS_BROKEN, /* protocol errors, half requests, peers that went away */
    COUNTER_IO_TIMEOUTS,        /* peers that held the loop until io_timeout */
    COUNTER_REQUEST_TIMEOUTS,   /* over request_timeout */
    COUNTER_STATEMENT_TIMEOUTS, /* cancelled by PostgreSQL's statement_timeout */
    COUNTER_QUEUE_TIMEOUTS,     /* over queue_max_wait */
    COUNTER_QUEUE_REFUSED,      /* queue_max reached */
    COUNTER_SLOW_REQUESTS,
    COUNTER_DATABASE_ERRORS,   /* unexpected SQLSTATEs */
    COUNTER_DATABASE_CONNECTS, /* connections made and prepared */
    COUNTER_DATABASE_FAILURES, /* attempts that failed */
    COUNTER_DATABASE_LOST,     /* connections lost while in use or idle */
    COUNTER_OUTCOMES_UNKNOWN,
    COUNTER_REQUESTS_REPEATED, /* by their Idempotency-Key: the stored answer was sent */
    COUNTER_TOKENS_VERIFIED,   /* signatures checked */
    COUNTER_TOKENS_CACHED,     /* signatures found in the cache */
    COUNTER_TOKENS_REFUSED,
    COUNTER_KEY_LOOKUPS,    /* of a kid that is not known, in the directory of public keys */
    COUNTER_HASHES,         /* passwords hashed */
    COUNTER_HASHES_REFUSED, /* hash queue full */
    COUNTER_REHASHES,       /* hashes replaced by newer ones of the same passwords */
    COUNTER_LOGINS_FAILED,  /* passwords and codes that were refused: authn_login_fail */
    COUNTER_TOKENS_REUSED,  /* refresh tokens that came again: authn_token_reuse */
    COUNTER_THROTTLED_OWN,  /* attempts refused, by the bucket that was full */
    COUNTER_THROTTLED_ACCOUNT,
    COUNTER_THROTTLED_NETWORK,
    COUNTER_COUNT
};

struct counter_info {
    const char *name; /* Prometheus name without the pets_ prefix: "connections_accepted_total" */
    const char *help;
};
const struct counter_info *counter_info(enum counter counter);
const char *stage_name(enum stage stage);
const char *worker_state_name(enum worker_state state);

/* Upper bounds of the latency histogram, microseconds; the last is INT64_MAX. */
extern const int64_t scoreboard_bounds[SCOREBOARD_BUCKETS];

/* Why workers ended, counted by the master. */
enum ending {
    ENDING_REPLACED, /* reload or shutdown, as asked */
    ENDING_RECYCLED, /* max_requests */
    ENDING_FAILED,   /* exited with an error */
    ENDING_CRASHED,  /* killed by a signal of its own making */
    ENDING_KILLED,   /* kill_timeout: the master killed a stuck worker */
    ENDING_COUNT
};
const char *ending_name(enum ending ending);

struct request_entry {
    char request_id[40]; /* empty: not read yet */
    uint16_t route;      /* index in the route table; UINT16_MAX: not known yet */
    uint8_t stage;       /* enum stage */
    int16_t statement;   /* enum statement_id, -1: none */
    int32_t backend_pid; /* of PostgreSQL, 0: none */
    int64_t started_us;  /* monotonic */
    int64_t stage_us;    /* when this stage began */
};

struct totals {
    _Atomic uint64_t
        requests[SCOREBOARD_ROUTES + 1][SCOREBOARD_CLASSES]; /* last row: no route matched */
    _Atomic uint64_t latency[SCOREBOARD_ROUTES + 1][SCOREBOARD_BUCKETS]; /* not cumulative */
    _Atomic uint64_t latency_us[SCOREBOARD_ROUTES + 1];
    _Atomic uint64_t stage_us[STAGE_COUNT]; /* time spent in each stage, summed */
    _Atomic uint64_t counters[COUNTER_COUNT];
};

struct slot {
    _Alignas(64) _Atomic int32_t pid; /* 0: free; written by the master */
    _Atomic uint32_t
        state; /* enum worker_state; STARTING and FREE by the master, the rest by the owner */
    _Atomic uint32_t kind; /* enum worker_kind */
    _Atomic uint32_t generation;
    _Atomic int64_t started_us;
    _Atomic int64_t alive_us;        /* the loop went round; a stuck worker is one whose is old */
    _Atomic uint32_t connections;    /* kept connections from the web server */
    _Atomic uint32_t active;         /* requests in flight */
    _Atomic uint32_t queued;         /* of these, waiting for a database connection */
    _Atomic uint32_t database_ready; /* database connections ready or busy */
    _Atomic uint32_t hashing;        /* 1 while a password is being hashed; the hasher's */
    _Atomic uint32_t hash_pending;   /* passwords in hand: that one, and those that wait */
    _Atomic int64_t signing_key_s;   /* when the key it signs with was published; 0: none */
    _Atomic uint32_t sequence;       /* odd while entries are being written */
    _Atomic uint32_t used;           /* one bit for each entry in use */
    struct request_entry entries[SCOREBOARD_REQUESTS];
    struct totals totals;
};

struct scoreboard {
    _Atomic int32_t master_pid;
    _Atomic int64_t started_us;      /* monotonic, master */
    _Atomic int64_t started_epoch_s; /* wall clock, for the status page */
    _Atomic uint32_t generation;     /* the newest that is serving */
    _Atomic uint64_t reloads;
    _Atomic uint64_t reloads_failed;
    _Atomic uint64_t endings[ENDING_COUNT];
    _Atomic uint32_t draining; /* the whole pool is stopping */
    uint32_t slots;
    struct slot retired; /* totals only; the master's */
    struct slot slot[];
};

/* A zeroed shared mapping with `slots` slots; NULL with errno. Lives as long as the process. */
struct scoreboard *scoreboard_new(uint32_t slots);

/* --- for the owner of a slot --- */

static inline void slot_count(struct slot *slot, enum counter counter)
{
    atomic_store_explicit(&slot->totals.counters[counter],
        atomic_load_explicit(&slot->totals.counters[counter], memory_order_relaxed) + 1,
        memory_order_relaxed);
}

/*
 * An entry for a request that begins now, or -1 when all are taken (it is then not shown, only
 * counted). All functions below accept -1.
 */
int slot_begin(struct slot *slot, int64_t now_us);
void slot_request(struct slot *slot, int entry, const char *request_id, uint16_t route);
void slot_stage(struct slot *slot, int entry, enum stage stage, int64_t now_us);
void slot_database(struct slot *slot, int entry, int16_t statement, int32_t backend_pid);
/* The request is over: frees the entry. The time since the last stage goes to that stage. */
void slot_end(struct slot *slot, int entry);
/* Counts an answer: route SCOREBOARD_ROUTES when none matched; status 0 when none could be sent. */
void slot_answered(struct slot *slot, unsigned route, int status, int64_t elapsed_us);

/* --- for the master --- */

/* Adds the totals of `slot` to `retired` and clears the slot. */
void scoreboard_retire(struct scoreboard *scoreboard, struct slot *slot);

/* --- for readers --- */

/* A consistent copy of the entries in use; returns how many (at most SCOREBOARD_REQUESTS). */
size_t slot_entries(const struct slot *slot, struct request_entry *copy);
/* Sums of all slots and the retired one, into a caller's plain copy. */
void scoreboard_totals(const struct scoreboard *scoreboard, struct totals *sum);

#endif
