/*
 * pools_text.c: aligned lines that keep their place while the numbers change, the most important
 * first. What a pool says is another process's word: nothing of it but plain characters reaches the
 * terminal.
 */
#include "ctl/pools_text.h"

#include <time.h>

enum { WORD = 64 };

enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };

static const char *begin(const struct pools *pools, enum colour colour)
{
    static const char *const codes[] = {"", "\033[1m", "\033[32m", "\033[33m", "\033[31m"};

    return pools->colour ? codes[colour] : "";
}

static const char *end(const struct pools *pools)
{
    return pools->colour ? "\033[0m" : "";
}

/* --- words --- */

/* A member that is a string, into a buffer of WORD bytes, which is returned; "-": none. */
static const char *word(const struct json *object, const char *name, char *text)
{
    const struct json *value = object == NULL ? NULL : json_member(object, name);
    size_t length;
    const char *from;

    snprintf(text, WORD, "-");
    if (value == NULL || json_kind(value) != JSON_KIND_STRING)
        return text;
    from = json_text(value, &length);
    length = length < WORD - 1 ? length : WORD - 1;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(from[i] >= ' ' && from[i] <= '~' ? from[i] : '?');
    text[length] = '\0';
    return text;
}

static const char *count(int64_t number, char *text)
{
    snprintf(text, WORD, number < 0 ? "-" : "%" PRId64, number);
    return text;
}

static const char *rate(double number, char *text)
{
    snprintf(text, WORD, number < 0 ? "-" : "%.1f", number);
    return text;
}

static const char *duration(int64_t us, char *text)
{
    if (us < 0)
        snprintf(text, WORD, "-");
    else if (us < 999500)
        snprintf(text, WORD, "%.3g ms", (double)us / 1e3);
    else
        snprintf(text, WORD, "%.3g s", (double)us / 1e6);
    return text;
}

static const char *age(int64_t s, char *text)
{
    int days = s < 0 ? 0 : snprintf(text, WORD, s < 86400 ? "" : "%" PRId64 "d ", s / 86400);

    if (s < 0)
        snprintf(text, WORD, "-");
    else
        snprintf(text + days, (size_t)(WORD - days), "%02d:%02d:%02d", (int)(s / 3600 % 24),
            (int)(s / 60 % 60), (int)(s % 60));
    return text;
}

/* --- a pool --- */

static void put_pool(const struct pools *pools, const struct pools_pool *pool, FILE *out)
{
    const struct json *status = pool->now.status;
    char health[WORD], version[WORD], pid[WORD], up[WORD], generation[WORD], reason[WORD];
    bool good = strcmp(word(status, "health", health), "ok") == 0;

    fprintf(out,
        "%s%-6s%s%s%-10s%s%s  master %s, up %s, generation %s, reloads %" PRId64 " done %" PRId64
        " failed, %.1f MiB\n",
        begin(pools, BOLD), pool->name, end(pools),
        begin(pools, good                 ? GREEN
                     : pools_serves(pool) ? YELLOW
                                          : RED),
        health, end(pools), word(status, "version", version),
        count(pools_number(status, "pid", NULL), pid),
        age(pools_number(status, "uptime_s", NULL), up),
        count(pools_number(status, "generation", NULL), generation),
        pools_number(status, "reloads", NULL), pools_number(status, "reloads_failed", NULL),
        (double)pools_number(status, "rss_bytes", NULL) / 1048576);
    if (!good)
        fprintf(out, "  %s\n", word(status, "reason", reason));
}

static void put_requests(const struct pools *pools, const struct pools_pool *pool, FILE *out)
{
    static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx", "unanswered"};
    const struct json *now = pool->now.status, *before = pool->before.status;
    double errors = pools_rate(pool, pools_errors(&pool->now), pools_errors(&pool->before));
    char all[WORD], bad[WORD];

    fprintf(out, "  requests  %s%8s a second%s, %s%s errors a second%s; %" PRId64 " in all:",
        begin(pools, BOLD),
        rate(pools_rate(pool, pools_number(now, "requests", "total"),
                 pools_number(before, "requests", "total")),
            all),
        end(pools), begin(pools, errors > 0 ? RED : PLAIN), rate(errors, bad), end(pools),
        pools_number(now, "requests", "total"));
    for (size_t i = 0; i < countof(classes); i++)
        fprintf(out, " %" PRId64 " %s%s", pools_number(now, "requests", classes[i]), classes[i],
            i + 1 < countof(classes) ? "," : "\n");
}

/* Of the last seconds when there were answers, else since the start. */
static void put_latency(const struct pools_pool *pool, FILE *out)
{
    const struct json *status = pool->now.status;
    const struct json *recent = json_member(status, "recent");
    const struct json *from = recent != NULL && json_kind(recent) == JSON_KIND_OBJECT &&
                                      pools_number(recent, "requests", "total") > 0
                                  ? recent
                                  : status;
    char half[WORD], most[WORD], slow[WORD];

    fprintf(out, "  latency   p50 %s, p90 %s, p99 %s ",
        duration(pools_number(from, "latency_us", "p50"), half),
        duration(pools_number(from, "latency_us", "p90"), most),
        duration(pools_number(from, "latency_us", "p99"), slow));
    if (from == status)
        fputs("since the start\n", out);
    else
        fprintf(
            out, "in the last %.0f s\n", (double)pools_number(recent, "window_ms", NULL) / 1000);
}

static void put_load(const struct pools *pools, const struct pools_pool *pool, FILE *out)
{
    const struct json *status = pool->now.status;
    int64_t waiting = pools_number(status, "listen_queue", "length");
    char queue[WORD], limit[WORD];

    fprintf(out,
        "  load      %" PRId64 " active, %" PRId64 " queued for the database; listen queue %s%s%s "
        "of %s; connections: %" PRId64 " from nginx, %" PRId64 " to the database\n",
        pools_number(status, "active", NULL), pools_number(status, "queued", NULL),
        begin(pools, waiting > 0 ? YELLOW : PLAIN), count(waiting, queue), end(pools),
        count(pools_number(status, "listen_queue", "limit"), limit),
        pools_number(status, "connections", NULL),
        pools_number(status, "database_connections", NULL));
    if (strcmp(pool->name, "auth") == 0)
        fprintf(out, "  hashing   %" PRId64 " being hashed, %" PRId64 " in hand\n",
            pools_number(status, "hashing", NULL), pools_number(status, "hash_pending", NULL));
}

/* --- its workers --- */

/* The process of this id at the look before, or NULL. */
static const struct json *earlier(const struct pools_pool *pool, int64_t pid)
{
    const struct json *all =
        pool->before.status == NULL ? NULL : json_member(pool->before.status, "processes");

    for (size_t i = 0; all != NULL && i < json_array_length(all); i++)
        if (pools_number(json_array_at(all, i), "pid", NULL) == pid)
            return json_array_at(all, i);
    return NULL;
}

/* The request that takes longest, and how many there are beside it. */
static void put_doing(const struct json *worker, FILE *out)
{
    const struct json *flight = json_member(worker, "in_flight");
    size_t requests = flight == NULL ? 0 : json_array_length(flight);
    const struct json *oldest = NULL;
    char route[WORD], stage[WORD], statement[WORD];

    for (size_t i = 0; i < requests; i++) {
        const struct json *entry = json_array_at(flight, i);

        if (oldest == NULL ||
            pools_number(entry, "age_ms", NULL) > pools_number(oldest, "age_ms", NULL))
            oldest = entry;
    }
    if (oldest == NULL) {
        fputs("idle\n", out);
        return;
    }
    fprintf(out, "%s: %s", word(oldest, "route", route), word(oldest, "stage", stage));
    if (strcmp(word(oldest, "statement", statement), "-") != 0)
        fprintf(out, " %s", statement);
    fprintf(out, ", %" PRId64 " ms", pools_number(oldest, "age_ms", NULL));
    fprintf(out, requests > 1 ? " (and %zu more)\n" : "\n", requests - 1);
}

static void put_worker(
    const struct pools *pools, const struct pools_pool *pool, const struct json *worker, FILE *out)
{
    int64_t pid = pools_number(worker, "pid", NULL);
    int64_t requests = pools_number(worker, "requests", NULL);
    int64_t silent = pools_number(worker, "alive_ms", NULL);
    char kind[WORD], state[WORD], old[WORD], speed[WORD];
    bool ready = strcmp(word(worker, "state", state), "ready") == 0;

    fprintf(out,
        "  %-8" PRId64 "%-6s%s%-10s%s%4" PRId64 "%14s%s%9.1f%s%7" PRId64 "%8" PRId64 "%8" PRId64
        "%4" PRId64 "%9s%11" PRId64 "%8.1f  ",
        pid, word(worker, "kind", kind), begin(pools, ready ? GREEN : YELLOW), state, end(pools),
        pools_number(worker, "generation", NULL), age(pools_number(worker, "age_s", NULL), old),
        begin(pools, silent > 2000 ? RED : PLAIN), (double)silent / 1000, end(pools),
        pools_number(worker, "connections", NULL), pools_number(worker, "active", NULL),
        pools_number(worker, "queued", NULL), pools_number(worker, "database_connections", NULL),
        rate(pools_rate(pool, requests, pools_number(earlier(pool, pid), "requests", NULL)), speed),
        requests, (double)pools_number(worker, "rss_bytes", NULL) / 1048576);
    put_doing(worker, out);
}

static void put_workers(const struct pools *pools, const struct pools_pool *pool, FILE *out)
{
    const struct json *workers = json_member(pool->now.status, "processes");

    fprintf(out, "  %s%-8s%-6s%-10s%4s%14s%9s%7s%8s%8s%4s%9s%11s%8s  %s%s\n", begin(pools, BOLD),
        "PID", "KIND", "STATE", "GEN", "AGE", "SILENT", "CONNS", "ACTIVE", "QUEUED", "DB", "REQ/S",
        "REQUESTS", "MIB", "DOING", end(pools));
    for (size_t i = 0; workers != NULL && i < json_array_length(workers); i++)
        put_worker(pools, pool, json_array_at(workers, i), out);
}

void pools_text(const struct pools *pools, FILE *out)
{
    time_t now = time(NULL);
    struct tm parts;
    char clock[WORD];

    strftime(clock, sizeof clock, "%Y-%m-%d %H:%M:%SZ", gmtime_r(&now, &parts));
    fprintf(out, "pets-api, %s%s\n", clock, pools->live ? "; q ends" : "");
    for (size_t i = 0; i < pools->count; i++) {
        const struct pools_pool *pool = &pools->pool[i];

        fputc('\n', out);
        if (pool->now.status == NULL) {
            fprintf(out, "%s%-6s%s%saway%s      %s\n", begin(pools, BOLD), pool->name, end(pools),
                begin(pools, RED), end(pools), pool->error);
            continue;
        }
        put_pool(pools, pool, out);
        put_requests(pools, pool, out);
        put_latency(pool, out);
        put_load(pools, pool, out);
        put_workers(pools, pool, out);
    }
}
