/*
 * metrics.c: one function a family or group of families. A label's value comes from our own tables
 * (routes, stages, counters) or from the configuration, never from a request.
 */
#include "api/metrics.h"

#include "http/route.h"

enum { BODY_SIZE = 32768 };

struct render {
    struct buf *out;
    const struct status *status;
    const struct route_table *table;
    unsigned pools; /* whose routes are shown */
};

static const char *const class_names[SCOREBOARD_CLASSES] = {
    "unanswered", "1xx", "2xx", "3xx", "4xx", "5xx"};

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP pets_%s %s\n# TYPE pets_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void put_label(struct buf *out, const char *name, const char *value)
{
    buf_puts(out, name);
    buf_puts(out, "=\"");
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            buf_putc(out, '\\');
        if (*value == '\n')
            buf_puts(out, "\\n");
        else
            buf_putc(out, *value);
    }
    buf_putc(out, '"');
}

/* pets_name{label="value"} number */
static void sample(
    struct buf *out, const char *name, const char *label, const char *value, int64_t number)
{
    buf_puts(out, "pets_");
    buf_puts(out, name);
    if (label != NULL) {
        buf_putc(out, '{');
        put_label(out, label, value);
        buf_putc(out, '}');
    }
    buf_putc(out, ' ');
    buf_int(out, number);
    buf_putc(out, '\n');
}

static void single(
    struct buf *out, const char *name, const char *type, const char *help, int64_t number)
{
    family(out, name, type, help);
    sample(out, name, NULL, NULL, number);
}

/* Microseconds as seconds, exactly. */
static void put_seconds(struct buf *out, uint64_t us)
{
    buf_printf(out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

/* --- by route --- */

/* The rows to show: routes of this pool and of the ops worker, and the last one for no route. */
static bool shown(const struct render *render, unsigned route)
{
    return route == SCOREBOARD_ROUTES ||
           (route < render->table->count &&
               (render->table->routes[route].pools & render->pools) != 0);
}

static void put_route(const struct render *render, unsigned route)
{
    const struct route *row = route < render->table->count ? &render->table->routes[route] : NULL;

    put_label(render->out, "route", row == NULL ? "none" : row->path);
    buf_putc(render->out, ',');
    put_label(render->out, "method", row == NULL ? "none" : method_name(row->method));
}

static void put_requests(const struct render *render)
{
    uint64_t classes[SCOREBOARD_CLASSES];

    family(render->out, "requests_total", "counter",
        "Requests by route, method and status class; unanswered: the web server was gone.");
    for (unsigned route = 0; route <= SCOREBOARD_ROUTES; route++) {
        if (!shown(render, route))
            continue;
        status_classes(render->status, route, classes);
        for (unsigned i = 0; i < SCOREBOARD_CLASSES; i++) {
            buf_puts(render->out, "pets_requests_total{");
            put_route(render, route);
            buf_putc(render->out, ',');
            put_label(render->out, "class", class_names[i]);
            buf_printf(render->out, "} %" PRIu64 "\n", classes[i]);
        }
    }
}

static void put_histogram(const struct render *render, unsigned route)
{
    const struct totals *totals = render->status->totals;
    struct buf *out = render->out;
    uint64_t count = 0;

    for (unsigned i = 0; i < SCOREBOARD_BUCKETS; i++) {
        count += totals->latency[route][i];
        buf_puts(out, "pets_request_duration_seconds_bucket{");
        put_route(render, route);
        buf_puts(out, ",le=\"");
        if (scoreboard_bounds[i] == INT64_MAX)
            buf_puts(out, "+Inf");
        else
            buf_printf(out, "%g", (double)scoreboard_bounds[i] / 1e6);
        buf_printf(out, "\"} %" PRIu64 "\n", count);
    }
    buf_puts(out, "pets_request_duration_seconds_sum{");
    put_route(render, route);
    buf_puts(out, "} ");
    put_seconds(out, totals->latency_us[route]);
    buf_puts(out, "\npets_request_duration_seconds_count{");
    put_route(render, route);
    buf_printf(out, "} %" PRIu64 "\n", count);
}

static void put_durations(const struct render *render)
{
    family(render->out, "request_duration_seconds", "histogram",
        "Time from reading a request until its answer is sent, by route and method.");
    for (unsigned route = 0; route <= SCOREBOARD_ROUTES; route++)
        if (shown(render, route))
            put_histogram(render, route);
}

static void put_stages(const struct render *render)
{
    family(render->out, "stage_seconds_total", "counter",
        "Time that requests spent in each stage, summed.");
    for (unsigned i = STAGE_READ; i < STAGE_COUNT; i++) {
        buf_puts(render->out, "pets_stage_seconds_total{");
        put_label(render->out, "stage", stage_name((enum stage)i));
        buf_puts(render->out, "} ");
        put_seconds(render->out, render->status->totals->stage_us[i]);
        buf_putc(render->out, '\n');
    }
}

/* --- the pool --- */

static void put_identity(struct buf *out, const struct status *status)
{
    family(out, "build_info", "gauge", "Version of the program and name of the pool; always 1.");
    buf_puts(out, "pets_build_info{");
    put_label(out, "version", status->version);
    buf_putc(out, ',');
    put_label(out, "pool", status->pool);
    buf_puts(out, "} 1\n");
    single(out, "start_time_seconds", "gauge", "When the pool was started, seconds since 1970.",
        status->started_epoch_s);
    single(out, "generation", "gauge", "Generation of workers that serves; a reload adds one.",
        status->generation);
    single(out, "draining", "gauge", "1 while the pool is stopping.", status->draining);
    if (status->signing_key_s != 0)
        single(out, "signing_key_published_seconds", "gauge",
            "When the key that tokens are signed with was published, seconds since 1970; pool "
            "auth.",
            status->signing_key_s);
}

static void put_workers(struct buf *out, const struct status *status)
{
    family(out, "workers", "gauge", "Workers of the pool by state, without the ops worker.");
    for (unsigned i = WORKER_STARTING; i < STATUS_STATES; i++)
        sample(out, "workers", "state", worker_state_name((enum worker_state)i), status->states[i]);
    single(out, "worker_resident_bytes", "gauge",
        "Resident memory of all workers, the ops worker among them; shared pages count for each.",
        status->rss_bytes);
    family(out, "worker_endings_total", "counter", "Workers that ended, by cause.");
    for (unsigned i = 0; i < ENDING_COUNT; i++)
        sample(out, "worker_endings_total", "cause", ending_name((enum ending)i),
            (int64_t)status->endings[i]);
    family(out, "reloads_total", "counter", "Reloads of the configuration by outcome.");
    sample(out, "reloads_total", "outcome", "done", (int64_t)status->reloads);
    sample(out, "reloads_total", "outcome", "failed", (int64_t)status->reloads_failed);
}

static void put_load(struct buf *out, const struct status *status)
{
    single(out, "connections", "gauge", "Connections that the web server keeps open.",
        status->connections);
    single(out, "requests_active", "gauge", "Requests in flight.", status->active);
    single(out, "requests_queued", "gauge", "Of these, waiting for a database connection.",
        status->queued);
    single(out, "database_connections_ready", "gauge",
        "Connections to the database that can serve.", status->database_ready);
    single(out, "password_hashing", "gauge", "Passwords that are being hashed; at most hash_slots.",
        status->hashing);
    single(out, "password_hashes_pending", "gauge",
        "Passwords in hand: being hashed, or waiting for it.", status->hash_pending);
    if (status->listen_queue < 0)
        return;
    single(out, "listen_queue_length", "gauge", "Connections that wait to be accepted by the pool.",
        status->listen_queue);
    single(out, "listen_queue_limit", "gauge",
        "How many may wait before the web server answers 502.", status->listen_limit);
}

static void put_counters(struct buf *out, const struct status *status)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_info *info = counter_info((enum counter)i);

        single(out, info->name, "counter", info->help, (int64_t)status->totals->counters[i]);
    }
}

void metrics_render(const struct status *status, struct exchange *exchange)
{
    bool auth = strcmp(status->pool, "auth") == 0;
    struct render render = {&exchange->reply.body, status, exchange->app->table,
        ROUTE_OPS | (auth ? ROUTE_AUTH : ROUTE_API)};

    buf_reserve(render.out, BODY_SIZE);
    put_identity(render.out, status);
    put_workers(render.out, status);
    put_load(render.out, status);
    put_requests(&render);
    put_durations(&render);
    put_stages(&render);
    put_counters(render.out, status);
}
