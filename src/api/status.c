/*
 * status.c: taking one look at the scoreboard, the listening socket and /proc. The scoreboard
 * counts since the start of the pool and knows nothing of rates; to say what happens now, this file
 * remembers a few earlier looks of this process and tells the difference.
 */
#include "api/status.h"

#include <fcntl.h>

#include "api/routes.h"
#include "api/service.h"
#include "config.h"
#include "pool/sockdiag.h"
#include "statements.h"

enum {
    SAMPLES = 12,         /* earlier looks that are remembered, a second apart or more */
    WINDOW_US = 10000000, /* "now" is so long, when somebody looked then */
    MEMORY_US = 60000000, /* else as long ago as the last look, but no longer */
    SILENT_US =
        2000000, /* a loop ticks ten times a second; one that did not for so long is stuck */
    SECOND_US = 1000000,
};

struct sample {
    int64_t at_us; /* 0: none */
    struct status_answers answers;
};

static struct sample samples[SAMPLES];
static unsigned newest;

const char *status_health_name(enum status_health health)
{
    static const char *const names[] = {"ok", "degraded", "down", "draining"};

    return names[health];
}

const char *status_route(unsigned route)
{
    return route < SCOREBOARD_ROUTES ? routes_name(route) : NULL;
}

uint64_t status_classes(const struct status *status, unsigned route, uint64_t *classes)
{
    uint64_t result = 0;

    for (unsigned i = 0; i < SCOREBOARD_CLASSES; i++)
        result += classes[i] = status->totals->requests[route][i];
    return result;
}

const char *status_statement(const struct request_entry *entry)
{
    return entry->statement < 0 || entry->statement >= STATEMENT_COUNT
               ? NULL
               : statements[entry->statement].name;
}

/* --- words --- */

const char *status_duration(int64_t us, char *text)
{
    if (us < 0)
        snprintf(text, STATUS_WORD, "-");
    else if (us == INT64_MAX)
        snprintf(text, STATUS_WORD, "> 10 s");
    else if (us < 1000)
        snprintf(text, STATUS_WORD, "%" PRId64 " us", us);
    else if (us < 999500)
        snprintf(text, STATUS_WORD, "%.3g ms", (double)us / 1e3);
    else if (us < 999500000)
        snprintf(text, STATUS_WORD, "%.3g s", (double)us / 1e6);
    else
        snprintf(text, STATUS_WORD, "%.0f s", (double)us / 1e6);
    return text;
}

const char *status_age(int64_t us, char *text)
{
    int64_t s = MAX(us, 0) / 1000000;

    if (s >= 86400)
        snprintf(text, STATUS_WORD, "%" PRId64 "d %02d:%02d:%02d", s / 86400, (int)(s / 3600 % 24),
            (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(text, STATUS_WORD, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
            (int)(s % 60));
    return text;
}

/* --- estimates --- */

int64_t status_quantile(const struct status_answers *answers, double q)
{
    double rank = q * (double)answers->requests, before = 0;
    int64_t lower = 0;

    if (answers->requests == 0)
        return -1;
    for (size_t i = 0; i < SCOREBOARD_BUCKETS - 1; i++) {
        double here = (double)answers->buckets[i];

        if (here > 0 && before + here >= rank)
            return lower +
                   (int64_t)((double)(scoreboard_bounds[i] - lower) * (rank - before) / here);
        before += here;
        lower = scoreboard_bounds[i];
    }
    return lower;
}

int64_t status_slowest(const struct status_answers *answers)
{
    for (int i = SCOREBOARD_BUCKETS - 1; i >= 0; i--)
        if (answers->buckets[i] > 0)
            return scoreboard_bounds[i];
    return -1;
}

/* --- what happens now --- */

static void subtract(struct status_answers *result, const struct status_answers *from,
    const struct status_answers *what)
{
    result->requests = from->requests - what->requests;
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        result->classes[i] = from->classes[i] - what->classes[i];
    for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++)
        result->buckets[i] = from->buckets[i] - what->buckets[i];
}

/* The oldest look within the window, or else the newest of the last minute; NULL when there is
 * none. */
static const struct sample *reference(int64_t now_us)
{
    const struct sample *best = NULL;

    for (unsigned back = 0; back < SAMPLES; back++) {
        const struct sample *sample = &samples[(newest + SAMPLES - back) % SAMPLES];
        int64_t age_us = now_us - sample->at_us;

        if (sample->at_us == 0 || age_us > (best == NULL ? MEMORY_US : WINDOW_US))
            break;
        best = sample;
    }
    return best;
}

static void take_recent(struct status *status)
{
    const struct sample *earlier = reference(status->now_us);

    if (earlier != NULL && status->now_us > earlier->at_us) {
        status->window_us = status->now_us - earlier->at_us;
        subtract(&status->recent, &status->answers, &earlier->answers);
    }
    if (samples[newest].at_us != 0 && status->now_us - samples[newest].at_us < SECOND_US)
        return;
    newest = (newest + 1) % SAMPLES;
    samples[newest] = (struct sample){status->now_us, status->answers};
}

/* --- the totals --- */

static uint64_t sum(const _Atomic uint64_t *words, size_t count)
{
    uint64_t result = 0;

    for (size_t i = 0; i < count; i++)
        result += words[i];
    return result;
}

static void take_answers(struct status *status, const struct route_table *table)
{
    const struct totals *totals = status->totals;
    struct status_answers *answers = &status->answers;

    for (size_t route = 0; route <= SCOREBOARD_ROUTES; route++) {
        if (route < table->count && table->routes[route].pools == ROUTE_OPS)
            continue;
        for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
            answers->classes[i] += totals->requests[route][i];
        for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++)
            answers->buckets[i] += totals->latency[route][i];
    }
    for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++)
        answers->requests += answers->buckets[i];
}

/* --- the workers --- */

/* Resident memory of a process; -1 when it is gone. */
static int64_t resident_bytes(int32_t pid)
{
    char path[32], text[128], *at;
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "/proc/%" PRId32 "/statm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    at = strchr(text, ' ');
    return at == NULL ? -1 : strtoll(at, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static void take_worker(struct status_worker *worker, const struct slot *slot, int64_t now_us)
{
    int64_t alive_us = slot->alive_us, started_us = slot->started_us;

    worker->kind = (enum worker_kind)slot->kind;
    worker->state = (enum worker_state)slot->state;
    worker->generation = slot->generation;
    worker->connections = slot->connections;
    worker->active = slot->active;
    worker->queued = slot->queued;
    worker->database_ready = slot->database_ready;
    worker->hashing = slot->hashing;
    worker->hash_pending = slot->hash_pending;
    worker->requests = sum(&slot->totals.requests[0][0],
        sizeof slot->totals.requests / sizeof slot->totals.requests[0][0]);
    worker->age_us = MAX(now_us - started_us, 0);
    worker->silent_us = MAX(now_us - MAX(alive_us, started_us), 0);
    worker->rss_bytes = resident_bytes(worker->pid);
    worker->entry_count = slot_entries(slot, worker->entries);
}

static void add_worker(struct status *status, const struct status_worker *worker)
{
    status->rss_bytes += MAX(worker->rss_bytes, 0);
    if (worker->kind != WORKER_POOL)
        return;
    if ((unsigned)worker->state < STATUS_STATES)
        status->states[worker->state]++;
    status->connections += worker->connections;
    status->active += worker->active;
    status->queued += worker->queued;
    status->database_ready += worker->database_ready;
    status->hashing += worker->hashing;
    status->hash_pending += worker->hash_pending;
}

/* The oldest is what an operator has to know of. */
static void add_key(struct status *status, int64_t published_s)
{
    if (published_s != 0 && (status->signing_key_s == 0 || published_s < status->signing_key_s))
        status->signing_key_s = published_s;
}

static void take_workers(
    struct status *status, const struct scoreboard *scoreboard, struct arena *arena)
{
    status->workers = arena_zalloc(arena, (scoreboard->slots + 1) * sizeof *status->workers);
    for (uint32_t i = 0; i < scoreboard->slots; i++) {
        const struct slot *slot = &scoreboard->slot[i];
        struct status_worker *worker = &status->workers[status->worker_count];

        worker->pid = slot->pid;
        if (worker->pid == 0)
            continue;
        take_worker(worker, slot, status->now_us);
        add_worker(status, worker);
        add_key(status, slot->signing_key_s);
        status->worker_count++;
    }
}

/* --- health --- */

bool status_stuck(const struct status_worker *worker)
{
    return worker->state != WORKER_STARTING && worker->silent_us > SILENT_US;
}

static void judge(struct status *status, enum status_health health, const char *reason)
{
    if (status->health != HEALTH_OK)
        return;
    status->health = health;
    status->reason = reason;
}

static void judge_workers(struct status *status, struct arena *arena)
{
    for (size_t i = 0; i < status->worker_count; i++) {
        const struct status_worker *worker = &status->workers[i];

        if (status_stuck(worker))
            judge(status, HEALTH_DEGRADED,
                arena_format(arena,
                    "Worker %" PRId32 " is stuck: nothing from it for %" PRId64 " s.", worker->pid,
                    worker->silent_us / SECOND_US));
    }
}

/* The first that applies, the worst first. */
static void take_health(struct status *status, struct arena *arena)
{
    uint32_t serving = status->states[WORKER_READY] + status->states[WORKER_RETIRING];

    if (status->draining)
        judge(status, HEALTH_DRAINING, "The pool is stopping.");
    if (serving == 0)
        judge(status, HEALTH_DOWN, "No worker is ready.");
    if (status->database_ready == 0)
        judge(status, HEALTH_DOWN, "No connection to the database.");
    judge_workers(status, arena);
    if (status->listen_queue > 0 && status->listen_queue * 2 >= status->listen_limit)
        judge(status, HEALTH_DEGRADED, "The listen queue is filling up.");
}

const struct status *status_take(struct exchange *exchange)
{
    struct status *status = arena_zalloc(exchange->arena, sizeof *status);
    const struct service *service = service_of(exchange);
    const struct scoreboard *scoreboard = service->scoreboard;
    uint32_t queue, limit;
    bool known = sockdiag_queue(service->listen_fd, &queue, &limit) == 0;

    status->pool = service->config->pool.name;
    status->version = PACKAGE_VERSION;
    status->now_us = base_now_us();
    status->master_pid = scoreboard->master_pid;
    status->started_epoch_s = scoreboard->started_epoch_s;
    status->uptime_us = status->now_us - scoreboard->started_us;
    status->generation = scoreboard->generation;
    status->reloads = scoreboard->reloads;
    status->reloads_failed = scoreboard->reloads_failed;
    status->draining = scoreboard->draining != 0;
    status->listen_queue = known ? (int64_t)queue : -1;
    status->listen_limit = known ? (int64_t)limit : -1;
    for (size_t i = 0; i < ENDING_COUNT; i++)
        status->endings[i] = scoreboard->endings[i];
    status->totals = arena_zalloc(exchange->arena, sizeof *status->totals);
    scoreboard_totals(scoreboard, status->totals);
    take_answers(status, exchange->app->table);
    take_recent(status);
    take_workers(status, scoreboard, exchange->arena);
    take_health(status, exchange->arena);
    return status;
}
