/*
 * status_json.c: the look at a pool for programs. Names end in their unit; what is not known is
 * null.
 */
#include "api/status.h"

static void put_int(struct json_out *json, const char *name, int64_t value)
{
    json_key(json, name);
    json_put_int(json, value);
}

static void put_count(struct json_out *json, const char *name, uint64_t value)
{
    put_int(json, name, (int64_t)value);
}

/* -1 and infinity are not numbers that anybody should compute with. */
static void put_known(struct json_out *json, const char *name, int64_t value)
{
    json_key(json, name);
    if (value < 0 || value == INT64_MAX)
        json_put_null(json);
    else
        json_put_int(json, value);
}

static void put_string(struct json_out *json, const char *name, const char *value)
{
    json_key(json, name);
    json_put_string(json, value);
}

static void open_member(struct json_out *json, const char *name)
{
    json_key(json, name);
    json_open_object(json);
}

/* --- the pool --- */

static void put_pool(struct json_out *json, const struct status *status)
{
    put_string(json, "pool", status->pool);
    put_string(json, "version", status->version);
    put_string(json, "health", status_health_name(status->health));
    put_string(json, "reason", status->reason);
    put_int(json, "pid", status->master_pid);
    put_int(json, "started_at_s", status->started_epoch_s);
    put_int(json, "uptime_s", status->uptime_us / 1000000);
    put_int(json, "generation", status->generation);
    put_count(json, "reloads", status->reloads);
    put_count(json, "reloads_failed", status->reloads_failed);
    json_key(json, "draining");
    json_put_bool(json, status->draining);
    put_int(json, "rss_bytes", status->rss_bytes);
}

static void put_states(struct json_out *json, const struct status *status)
{
    open_member(json, "workers");
    for (unsigned i = WORKER_STARTING; i < STATUS_STATES; i++)
        put_int(json, worker_state_name((enum worker_state)i), status->states[i]);
    json_close_object(json);
}

static void put_load(struct json_out *json, const struct status *status)
{
    put_int(json, "connections", status->connections);
    put_int(json, "active", status->active);
    put_int(json, "queued", status->queued);
    put_int(json, "database_connections", status->database_ready);
    put_int(json, "hashing", status->hashing);
    put_int(json, "hash_pending", status->hash_pending);
    open_member(json, "listen_queue");
    put_known(json, "length", status->listen_queue);
    put_known(json, "limit", status->listen_limit);
    json_close_object(json);
}

/* --- what was counted --- */

static void put_classes(struct json_out *json, const uint64_t *classes)
{
    static const char *const names[SCOREBOARD_CLASSES] = {
        "unanswered", "1xx", "2xx", "3xx", "4xx", "5xx"};

    for (unsigned i = 0; i < SCOREBOARD_CLASSES; i++)
        put_count(json, names[i], classes[i]);
}

static void put_answers(struct json_out *json, const struct status_answers *answers)
{
    open_member(json, "requests");
    put_count(json, "total", answers->requests);
    put_classes(json, answers->classes);
    json_close_object(json);
    open_member(json, "latency_us");
    put_known(json, "p50", status_quantile(answers, 0.5));
    put_known(json, "p90", status_quantile(answers, 0.9));
    put_known(json, "p99", status_quantile(answers, 0.99));
    put_known(json, "max_bucket", status_slowest(answers));
    json_close_object(json);
}

static void put_recent(struct json_out *json, const struct status *status)
{
    json_key(json, "recent");
    if (status->window_us == 0) {
        json_put_null(json);
        return;
    }
    json_open_object(json);
    put_int(json, "window_ms", status->window_us / 1000);
    put_answers(json, &status->recent);
    json_close_object(json);
}

/* Routes that were asked for at all. */
static void put_routes(struct json_out *json, const struct status *status)
{
    uint64_t classes[SCOREBOARD_CLASSES];

    json_key(json, "routes");
    json_open_array(json);
    for (unsigned route = 0; route <= SCOREBOARD_ROUTES; route++) {
        if (status_classes(status, route, classes) == 0)
            continue;
        json_open_object(json);
        put_string(json, "route", status_route(route));
        put_classes(json, classes);
        json_close_object(json);
    }
    json_close_array(json);
}

static void put_endings(struct json_out *json, const struct status *status)
{
    open_member(json, "endings");
    for (unsigned i = 0; i < ENDING_COUNT; i++)
        put_count(json, ending_name((enum ending)i), status->endings[i]);
    json_close_object(json);
}

static void put_counters(struct json_out *json, const struct status *status)
{
    open_member(json, "counters");
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        put_count(json, counter_info((enum counter)i)->name, status->totals->counters[i]);
    json_close_object(json);
}

/* --- one by one --- */

static void put_entry(struct json_out *json, const struct request_entry *entry, int64_t now_us)
{
    json_open_object(json);
    put_string(json, "request_id", entry->request_id[0] != '\0' ? entry->request_id : NULL);
    put_string(json, "route", status_route(entry->route));
    put_string(json, "stage", stage_name((enum stage)entry->stage));
    put_string(json, "statement", status_statement(entry));
    put_known(json, "backend_pid", entry->backend_pid > 0 ? entry->backend_pid : -1);
    put_int(json, "age_ms", MAX(now_us - entry->started_us, 0) / 1000);
    put_int(json, "stage_age_ms", MAX(now_us - entry->stage_us, 0) / 1000);
    json_close_object(json);
}

static void put_worker(struct json_out *json, const struct status_worker *worker, int64_t now_us)
{
    json_open_object(json);
    put_int(json, "pid", worker->pid);
    put_string(json, "kind", worker->kind == WORKER_OPS ? "ops" : "pool");
    put_int(json, "generation", worker->generation);
    put_string(json, "state", worker_state_name(worker->state));
    put_int(json, "age_s", worker->age_us / 1000000);
    put_int(json, "alive_ms", worker->silent_us / 1000);
    put_int(json, "connections", worker->connections);
    put_int(json, "active", worker->active);
    put_int(json, "queued", worker->queued);
    put_int(json, "database_connections", worker->database_ready);
    put_int(json, "hashing", worker->hashing);
    put_int(json, "hash_pending", worker->hash_pending);
    put_count(json, "requests", worker->requests);
    put_known(json, "rss_bytes", worker->rss_bytes);
    json_key(json, "in_flight");
    json_open_array(json);
    for (size_t i = 0; i < worker->entry_count; i++)
        put_entry(json, &worker->entries[i], now_us);
    json_close_array(json);
    json_close_object(json);
}

void status_json(const struct status *status, struct exchange *exchange, bool full)
{
    struct json_out *json = &exchange->reply.json;

    json_open_object(json);
    put_pool(json, status);
    put_states(json, status);
    put_load(json, status);
    put_answers(json, &status->answers);
    put_recent(json, status);
    put_routes(json, status);
    put_endings(json, status);
    put_counters(json, status);
    if (full) {
        json_key(json, "processes");
        json_open_array(json);
        for (size_t i = 0; i < status->worker_count; i++)
            put_worker(json, &status->workers[i], status->now_us);
        json_close_array(json);
    }
    json_close_object(json);
}
