/*
 * scoreboard.c: single-writer counters and a sequence counter a slot (a "seqlock"): the writer
 * never waits, and a reader copies until nothing moved under its hands. A writer can die in the
 * middle, leaving an odd sequence for ever, so readers give up after some tries and take what is
 * there: a torn entry on a status page beats a reader that hangs. The same trick on the retired
 * slot makes totals exact while the master moves a dead worker's counters there.
 */
#include "pool/scoreboard.h"
#include "base/base.h"

#include <sys/mman.h>

/* A reader tries so often at once, then with a pause for a writer that lost its processor. */
enum { QUICK_TRIES = 100, TRIES = QUICK_TRIES + 100, PAUSE_NS = 1000000 };

enum { TOTALS_WORDS = sizeof(struct totals) / sizeof(uint64_t) };

_Static_assert(sizeof(struct totals) % sizeof(uint64_t) == 0, "totals are words and nothing else");
_Static_assert(SCOREBOARD_REQUESTS == 32, "struct slot has one bit an entry");

const int64_t scoreboard_bounds[SCOREBOARD_BUCKETS] = {100, 250, 500, 1000, 2500, 5000, 10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000, INT64_MAX};

const struct counter_info *counter_info(enum counter counter)
{
    static const struct counter_info infos[COUNTER_COUNT] = {
        [COUNTER_CONNECTIONS_ACCEPTED] = {"connections_accepted_total",
            "Connections of the web server accepted."},
        [COUNTER_CONNECTIONS_BROKEN] = {"connections_broken_total",
            "Connections ended by a protocol error or in the middle of a request."},
        [COUNTER_IO_TIMEOUTS] = {"io_timeouts_total",
            "Connections cut because the web server held up a worker for io_timeout_ms."},
        [COUNTER_REQUEST_TIMEOUTS] = {"request_timeouts_total",
            "Requests that took longer than request_timeout_ms."},
        [COUNTER_STATEMENT_TIMEOUTS] = {"statement_timeouts_total",
            "Statements cancelled by PostgreSQL after statement_timeout_ms."},
        [COUNTER_QUEUE_TIMEOUTS] = {"queue_timeouts_total",
            "Requests that waited for a database connection longer than queue_max_wait_ms."},
        [COUNTER_QUEUE_REFUSED] = {"queue_refused_total",
            "Requests refused because queue_max were waiting already."},
        [COUNTER_SLOW_REQUESTS] = {"slow_requests_total",
            "Requests that took longer than slow_request_ms."},
        [COUNTER_DATABASE_ERRORS] = {"database_errors_total", "Unexpected errors of statements."},
        [COUNTER_DATABASE_CONNECTS] = {"database_connects_total",
            "Connections to the database made and prepared."},
        [COUNTER_DATABASE_FAILURES] = {"database_connect_failures_total",
            "Attempts to connect to the database that failed."},
        [COUNTER_DATABASE_LOST] = {"database_connections_lost_total",
            "Connections to the database that were lost."},
        [COUNTER_OUTCOMES_UNKNOWN] = {"outcomes_unknown_total",
            "Writes whose answer was lost with the connection."},
        [COUNTER_REQUESTS_REPEATED] = {"requests_repeated_total",
            "Requests answered as the first time, by their Idempotency-Key."},
        [COUNTER_TOKENS_VERIFIED] = {"tokens_verified_total",
            "Signatures of access tokens verified."},
        [COUNTER_TOKENS_CACHED] = {"tokens_cached_total",
            "Access tokens whose signature was verified before."},
        [COUNTER_TOKENS_REFUSED] = {"tokens_refused_total", "Access tokens refused."},
        [COUNTER_KEY_LOOKUPS] = {"key_lookups_total",
            "Looks for new keys: public ones for a kid, or those of refresh tokens for an id, that "
            "is "
            "not known."},
        [COUNTER_HASHES] = {"password_hashes_total", "Passwords hashed."},
        [COUNTER_HASHES_REFUSED] = {"password_hashes_refused_total",
            "Passwords not hashed because hash_queue were waiting already."},
        [COUNTER_REHASHES] = {"password_rehashes_total",
            "Hashes of passwords replaced because the pepper or the cost has changed."},
        [COUNTER_LOGINS_FAILED] = {"logins_failed_total",
            "Passwords and codes refused, at a login or to prove anew who somebody is."},
        [COUNTER_TOKENS_REUSED] = {"refresh_tokens_reused_total",
            "Refresh tokens that came again after their time; their sessions were ended."},
        [COUNTER_THROTTLED_OWN] = {"throttled_own_total",
            "Attempts refused: too many of one network on one account."},
        [COUNTER_THROTTLED_ACCOUNT] = {"throttled_account_total",
            "Attempts refused: too many of unknown networks on one account."},
        [COUNTER_THROTTLED_NETWORK] = {"throttled_network_total",
            "Attempts refused: too many of one network on all accounts."},
    };

    return &infos[(unsigned)counter < COUNTER_COUNT ? counter : 0];
}

const char *stage_name(enum stage stage)
{
    static const char *const names[STAGE_COUNT] = {
        "none", "read", "check", "queue", "database", "hash", "answer"};

    return (unsigned)stage < STAGE_COUNT ? names[stage] : "unknown";
}

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[] = {"free", "starting", "ready", "retiring", "draining"};

    return (unsigned)state < countof(names) ? names[state] : "unknown";
}

const char *ending_name(enum ending ending)
{
    static const char *const names[ENDING_COUNT] = {
        "replaced", "recycled", "failed", "crashed", "killed"};

    return (unsigned)ending < ENDING_COUNT ? names[ending] : "unknown";
}

struct scoreboard *scoreboard_new(uint32_t slots)
{
    size_t size = sizeof(struct scoreboard) + slots * sizeof(struct slot);
    struct scoreboard *scoreboard =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (scoreboard == MAP_FAILED)
        return NULL;
    scoreboard->slots = slots;
    return scoreboard;
}

/* --- the writer's side --- */

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Enough for a single writer, and a plain addition to the processor. */
static void add(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, load(word) + value, memory_order_relaxed);
}

static void write_begin(struct slot *slot)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    atomic_store_explicit(&slot->sequence, sequence | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void write_end(struct slot *slot)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    atomic_store_explicit(&slot->sequence, (sequence | 1) + 1, memory_order_release);
}

static uint32_t used_entries(const struct slot *slot)
{
    return atomic_load_explicit(&slot->used, memory_order_relaxed);
}

static void set_used(struct slot *slot, uint32_t used)
{
    atomic_store_explicit(&slot->used, used, memory_order_relaxed);
}

int slot_begin(struct slot *slot, int64_t now_us)
{
    uint32_t used = used_entries(slot);
    int entry;

    if (used == UINT32_MAX)
        return -1;
    entry = __builtin_ctz(~used);
    write_begin(slot);
    slot->entries[entry] = (struct request_entry){.route = UINT16_MAX,
        .statement = -1,
        .stage = STAGE_READ,
        .started_us = now_us,
        .stage_us = now_us};
    set_used(slot, used | UINT32_C(1) << entry);
    write_end(slot);
    return entry;
}

void slot_request(struct slot *slot, int entry, const char *request_id, uint16_t route)
{
    struct request_entry *request;
    size_t length;

    if (entry < 0)
        return;
    request = &slot->entries[entry];
    length = strnlen(request_id, sizeof request->request_id - 1);
    write_begin(slot);
    memcpy(request->request_id, request_id, length);
    request->request_id[length] = '\0';
    request->route = route;
    write_end(slot);
}

/* The time since the last change of stage goes to the stage that ends. */
static void close_stage(struct slot *slot, const struct request_entry *request, int64_t now_us)
{
    if (request->stage != STAGE_NONE && now_us > request->stage_us)
        add(&slot->totals.stage_us[request->stage], (uint64_t)(now_us - request->stage_us));
}

void slot_stage(struct slot *slot, int entry, enum stage stage, int64_t now_us)
{
    struct request_entry *request;

    if (entry < 0)
        return;
    request = &slot->entries[entry];
    close_stage(slot, request, now_us);
    write_begin(slot);
    request->stage = (uint8_t)stage;
    request->stage_us = now_us;
    write_end(slot);
}

void slot_database(struct slot *slot, int entry, int16_t statement, int32_t backend_pid)
{
    if (entry < 0)
        return;
    write_begin(slot);
    slot->entries[entry].statement = statement;
    slot->entries[entry].backend_pid = backend_pid;
    write_end(slot);
}

void slot_end(struct slot *slot, int entry)
{
    struct request_entry *request;

    if (entry < 0)
        return;
    request = &slot->entries[entry];
    if (request->stage != STAGE_NONE)
        close_stage(slot, request, base_now_us());
    write_begin(slot);
    set_used(slot, used_entries(slot) & ~(UINT32_C(1) << entry));
    write_end(slot);
}

static unsigned status_class(int status)
{
    return status >= 100 && status < SCOREBOARD_CLASSES * 100 ? (unsigned)status / 100 : 0;
}

void slot_answered(struct slot *slot, unsigned route, int status, int64_t elapsed_us)
{
    unsigned row = MIN(route, (unsigned)SCOREBOARD_ROUTES);
    unsigned bucket = 0;

    elapsed_us = MAX(elapsed_us, 0);
    while (elapsed_us > scoreboard_bounds[bucket])
        bucket++;
    add(&slot->totals.requests[row][status_class(status)], 1);
    add(&slot->totals.latency[row][bucket], 1);
    add(&slot->totals.latency_us[row], (uint64_t)elapsed_us);
}

/* --- the master's side --- */

static void add_totals(struct totals *sum, const struct totals *totals)
{
    _Atomic uint64_t *to = (_Atomic uint64_t *)sum;
    const _Atomic uint64_t *from = (const _Atomic uint64_t *)totals;

    for (size_t i = 0; i < TOTALS_WORDS; i++)
        add(&to[i], load(&from[i]));
}

/* Everything but the sequence, which must never go back while somebody may be reading. */
static void clear(struct slot *slot)
{
    atomic_store(&slot->state, WORKER_FREE);
    atomic_store(&slot->kind, 0);
    atomic_store(&slot->generation, 0);
    atomic_store(&slot->started_us, 0);
    atomic_store(&slot->alive_us, 0);
    atomic_store(&slot->connections, 0);
    atomic_store(&slot->active, 0);
    atomic_store(&slot->queued, 0);
    atomic_store(&slot->hashing, 0);
    atomic_store(&slot->hash_pending, 0);
    atomic_store(&slot->database_ready, 0);
    atomic_store(&slot->signing_key_s, 0);
    write_begin(slot);
    set_used(slot, 0);
    memset(slot->entries, 0, sizeof slot->entries);
    write_end(slot);
    for (size_t i = 0; i < TOTALS_WORDS; i++)
        atomic_store_explicit((_Atomic uint64_t *)&slot->totals + i, 0, memory_order_relaxed);
    atomic_store(&slot->pid, 0);
}

void scoreboard_retire(struct scoreboard *scoreboard, struct slot *slot)
{
    struct slot *retired = &scoreboard->retired;

    write_begin(retired);
    add_totals(&retired->totals, &slot->totals);
    clear(slot);
    write_end(retired);
}

/* --- the reader's side --- */

/* Even, unless the writer died or has been interrupted in the middle. */
static uint32_t read_begin(const struct slot *slot, int try)
{
    if (try >= QUICK_TRIES)
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    return atomic_load_explicit(&slot->sequence, memory_order_acquire);
}

static bool read_again(const struct slot *slot, uint32_t sequence)
{
    atomic_thread_fence(memory_order_acquire);
    return (sequence & 1) != 0 ||
           atomic_load_explicit(&slot->sequence, memory_order_relaxed) != sequence;
}

static size_t copy_entries(const struct slot *slot, struct request_entry *copy)
{
    uint32_t used = used_entries(slot);
    size_t count = 0;

    for (; used != 0; used &= used - 1) {
        copy[count] = slot->entries[__builtin_ctz(used)];
        copy[count].request_id[sizeof copy->request_id - 1] = '\0';
        count++;
    }
    return count;
}

size_t slot_entries(const struct slot *slot, struct request_entry *copy)
{
    size_t count = 0;

    for (int try = 0; try < TRIES; try++) {
        uint32_t sequence = read_begin(slot, try);

        count = copy_entries(slot, copy);
        if (!read_again(slot, sequence))
            break;
    }
    return count;
}

static void sum_totals(const struct scoreboard *scoreboard, struct totals *sum)
{
    memset(sum, 0, sizeof *sum);
    add_totals(sum, &scoreboard->retired.totals);
    for (uint32_t i = 0; i < scoreboard->slots; i++)
        if (atomic_load(&scoreboard->slot[i].pid) != 0)
            add_totals(sum, &scoreboard->slot[i].totals);
}

void scoreboard_totals(const struct scoreboard *scoreboard, struct totals *sum)
{
    for (int try = 0; try < TRIES; try++) {
        uint32_t sequence = read_begin(&scoreboard->retired, try);

        sum_totals(scoreboard, sum);
        if (!read_again(&scoreboard->retired, sequence))
            break;
    }
}
