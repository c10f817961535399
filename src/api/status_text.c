/*
 * status_text.c: the look at a pool for a terminal (`watch curl`): aligned columns that keep their
 * place while the numbers change, the most important first, nothing wider than 100 columns.
 */
#include "api/status.h"

static void put_pool(struct buf *out, const struct status *status)
{
    char text[STATUS_WORD];

    buf_printf(out, "pets-api %s   pool %s   %s%s%s\n\n", status->version, status->pool,
        status_health_name(status->health), status->reason == NULL ? "" : ": ",
        status->reason == NULL ? "" : status->reason);
    buf_printf(out,
        "%-16sup %s, master %" PRId32 ", generation %" PRIu32 ", reloads %" PRIu64 " done %" PRIu64
        " failed\n",
        "process", status_age(status->uptime_us, text), status->master_pid, status->generation,
        status->reloads, status->reloads_failed);
}

static void put_load(struct buf *out, const struct status *status)
{
    buf_printf(out, "%-16s", "workers");
    for (unsigned i = WORKER_STARTING; i < STATUS_STATES; i++)
        buf_printf(out, "%s%" PRIu32 " %s", i == WORKER_STARTING ? "" : ", ", status->states[i],
            worker_state_name((enum worker_state)i));
    buf_printf(out, "\n%-16s%" PRIu32 " active, %" PRIu32 " queued for the database\n", "requests",
        status->active, status->queued);
    buf_printf(out, "%-16s%" PRIu32 " from the web server, %" PRIu32 " to the database\n",
        "connections", status->connections, status->database_ready);
    if (strcmp(status->pool, "auth") == 0)
        buf_printf(out, "%-16s%" PRIu32 " being hashed, %" PRIu32 " in hand\n", "passwords",
            status->hashing, status->hash_pending);
    if (status->listen_queue < 0)
        buf_printf(out, "%-16sunknown\n", "listen queue");
    else
        buf_printf(out, "%-16s%" PRId64 " of %" PRId64 "\n", "listen queue", status->listen_queue,
            status->listen_limit);
    buf_printf(out, "%-16s%.1f MiB resident\n", "memory", (double)status->rss_bytes / 1048576);
    buf_printf(out, "%-16s", "endings");
    for (unsigned i = 0; i < ENDING_COUNT; i++)
        buf_printf(out, "%s%" PRIu64 " %s", i == 0 ? "" : ", ", status->endings[i],
            ending_name((enum ending)i));
    buf_putc(out, '\n');
}

/* --- answers --- */

static void put_classes(struct buf *out, const uint64_t *classes)
{
    for (unsigned i = 2; i < SCOREBOARD_CLASSES; i++)
        buf_printf(out, "%11" PRIu64, classes[i]);
    buf_printf(out, "%11" PRIu64 "\n", classes[0] + classes[1]);
}

static void put_latency(
    struct buf *out, const char *name, const struct status_answers *answers, int64_t window_us)
{
    char p50[STATUS_WORD], p90[STATUS_WORD], p99[STATUS_WORD], slowest[STATUS_WORD];

    buf_printf(out, "%-16s%12" PRIu64 "%12.1f%12s%12s%12s%12s\n", name, answers->requests,
        window_us > 0 ? (double)answers->requests * 1e6 / (double)window_us : 0.0,
        status_duration(status_quantile(answers, 0.5), p50),
        status_duration(status_quantile(answers, 0.9), p90),
        status_duration(status_quantile(answers, 0.99), p99),
        status_duration(status_slowest(answers), slowest));
}

static void put_answers(struct buf *out, const struct status *status)
{
    char name[STATUS_WORD];

    buf_printf(out, "\n%-16s%12s%12s%12s%12s%12s%12s\n", "LATENCY", "requests", "a second", "p50",
        "p90", "p99", "slowest <=");
    if (status->window_us > 0) {
        snprintf(name, sizeof name, "last %.1f s", (double)status->window_us / 1e6);
        put_latency(out, name, &status->recent, status->window_us);
    }
    put_latency(out, "since start", &status->answers, status->uptime_us);
}

static void put_routes(struct buf *out, const struct status *status)
{
    uint64_t classes[SCOREBOARD_CLASSES];

    buf_printf(
        out, "\n%-32s%11s%11s%11s%11s%11s\n", "ROUTE", "2xx", "3xx", "4xx", "5xx", "unanswered");
    for (unsigned route = 0; route <= SCOREBOARD_ROUTES; route++) {
        const char *name = status_route(route);

        if (status_classes(status, route, classes) == 0)
            continue;
        buf_printf(out, "%-32s", name == NULL ? "no such route" : name);
        put_classes(out, classes);
    }
}

/* What went wrong at least once. */
static void put_counters(struct buf *out, const struct status *status)
{
    buf_puts(out, "\nCOUNTERS\n");
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        if (status->totals->counters[i] != 0)
            buf_printf(out, "%-36s%12" PRIu64 "\n", counter_info((enum counter)i)->name,
                status->totals->counters[i]);
}

/* --- one by one --- */

static void put_entry(struct buf *out, const struct request_entry *entry, int64_t now_us)
{
    char whole[STATUS_WORD], here[STATUS_WORD];
    const char *route = status_route(entry->route), *statement = status_statement(entry);

    buf_printf(out, "        %-32s  %-28s %s in %s", entry->request_id, route == NULL ? "-" : route,
        status_duration(MAX(now_us - entry->stage_us, 0), here),
        stage_name((enum stage)entry->stage));
    if (statement != NULL)
        buf_printf(out, " (%s, backend %" PRId32 ")", statement, entry->backend_pid);
    buf_printf(out, ", %s in all\n", status_duration(MAX(now_us - entry->started_us, 0), whole));
}

static void put_worker(struct buf *out, const struct status_worker *worker, int64_t now_us)
{
    char old[STATUS_WORD], silent[STATUS_WORD];

    buf_printf(out,
        "%-8" PRId32 "%-6s%-10s%4" PRIu32 "%14s%10s%6" PRIu32 "%7" PRIu32 "%7" PRIu32 "%4" PRIu32
        "%12" PRIu64 "%9.1f\n",
        worker->pid, worker->kind == WORKER_OPS ? "ops" : "pool", worker_state_name(worker->state),
        worker->generation, status_age(worker->age_us, old),
        status_duration(worker->silent_us, silent), worker->connections, worker->active,
        worker->queued, worker->database_ready, worker->requests,
        (double)MAX(worker->rss_bytes, 0) / 1048576);
    for (size_t i = 0; i < worker->entry_count; i++)
        put_entry(out, &worker->entries[i], now_us);
}

static void put_workers(struct buf *out, const struct status *status)
{
    buf_printf(out, "\n%-8s%-6s%-10s%4s%14s%10s%6s%7s%7s%4s%12s%9s\n", "PID", "KIND", "STATE",
        "GEN", "AGE", "SILENT", "CONNS", "ACTIVE", "QUEUED", "DB", "REQUESTS", "MIB");
    for (size_t i = 0; i < status->worker_count; i++)
        put_worker(out, &status->workers[i], status->now_us);
}

void status_text(const struct status *status, struct exchange *exchange, bool full)
{
    struct buf *out = &exchange->reply.body;

    put_pool(out, status);
    put_load(out, status);
    put_answers(out, status);
    put_routes(out, status);
    put_counters(out, status);
    if (full)
        put_workers(out, status);
}
