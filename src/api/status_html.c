/*
 * status_html.c: the page for people. From the top: is it well, how much does it do and how fast,
 * what is every worker doing, which routes, and what was ever counted. A colour means the same
 * everywhere: green is well, blue is busy, amber wants a look, red is wrong.
 */
#include "api/status_html.h"

#include "api/html.h"
#include "api/service.h"

enum { BODY_SIZE = 65536 };

const struct status_shade status_stages[STAGE_COUNT] = {[STAGE_NONE] = {"none", "soft"},
    [STAGE_READ] = {"reading", "teal"},
    [STAGE_CHECK] = {"checking", "ok"},
    [STAGE_QUEUE] = {"queueing", "warn"},
    [STAGE_DATABASE] = {"database", "busy"},
    [STAGE_HASH] = {"hashing", "violet"},
    [STAGE_ANSWER] = {"answering", "soft"}};

/* The histogram in bands that people think in. */
static const struct band {
    int64_t bound_us;
    const char *name, *colour;
} bands[] = {
    {1000, "up to 1 ms", "ok"},
    {10000, "up to 10 ms", "teal"},
    {100000, "up to 100 ms", "busy"},
    {1000000, "up to 1 s", "warn"},
    {INT64_MAX, "longer", "bad"},
};

/* --- the head --- */

static void put_head(struct buf *out, const struct status *status)
{
    buf_puts(out, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head>"
                  "<meta charset=\"utf-8\" /><meta http-equiv=\"refresh\" content=\"2\" />"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />"
                  "<title>");
    html_text(out, status->pool);
    buf_printf(out, ": %s</title><style>", status_health_name(status->health));
    buf_puts(out, status_style);
    buf_puts(out, "</style></head>\n<body><main>");
}

static void put_header(struct buf *out, const struct status *status)
{
    const char *health = status_health_name(status->health);

    buf_puts(out, "<header><h1><small>pets-api</small> ");
    html_text(out, status->pool);
    buf_printf(out, "</h1><span class=\"pill %s\" id=\"health\">", health);
    html_text(out, status->reason == NULL ? health : status->reason);
    buf_puts(out, "</span><div class=\"facts\"><span>up <b>");
    html_age(out, status->uptime_us);
    buf_printf(out,
        "</b></span><span>generation <b>%" PRIu32 "</b></span><span>master <b>%" PRId32
        "</b></span><span>memory <b>%.1f MiB</b></span><span>version <b>",
        status->generation, status->master_pid, (double)status->rss_bytes / 1048576);
    html_text(out, status->version);
    buf_puts(out, "</b></span></div></header>\n");
}

/* --- the cards --- */

/* What the cards are about: now, when somebody looked before, or else since the start. */
static const struct status_answers *now(const struct status *status)
{
    return status->window_us > 0 ? &status->recent : &status->answers;
}

static void open_card(struct buf *out, const char *title)
{
    buf_printf(out, "<div class=\"card\"><h2>%s</h2>", title);
}

static void open_value(struct buf *out, const char *mood)
{
    buf_printf(out, "<div class=\"value %s\">", mood);
}

/* The big number, with its unit in small behind it. */
static void put_big_duration(struct buf *out, int64_t us)
{
    char text[STATUS_WORD];
    char *unit = strchr(status_duration(us, text), ' ');

    if (unit != NULL)
        *unit++ = '\0';
    html_text(out, text);
    buf_puts(out, "<small>");
    html_text(out, unit != NULL && strcmp(unit, "us") == 0 ? "µs" : unit);
    buf_puts(out, "</small>");
}

/* The small lines below it: a name, and on the right what follows until close_line. */
static void open_line(struct buf *out, const char *name)
{
    buf_printf(out, "<div class=\"line\">%s<b>", name);
}

static void close_line(struct buf *out)
{
    buf_puts(out, "</b></div>");
}

static void put_line(struct buf *out, const char *name, uint64_t number)
{
    open_line(out, name);
    html_number(out, number);
    close_line(out);
}

static void put_rate(struct buf *out, const struct status *status)
{
    int64_t window_us = status->window_us > 0 ? status->window_us : status->uptime_us;

    open_card(out, "Requests");
    open_value(out, "");
    html_decimal(out, (double)now(status)->requests * 1e6 / (double)MAX(window_us, 1));
    buf_puts(out, "<small>a second</small></div>");
    put_line(out, "in all", status->answers.requests);
    put_line(out, "of these 4xx", status->answers.classes[4]);
    buf_puts(out, "</div>");
}

static void put_speed(struct buf *out, const struct status *status)
{
    const struct status_answers *answers = now(status);

    open_card(out, "Latency");
    open_value(out, "");
    put_big_duration(out, status_quantile(answers, 0.5));
    buf_puts(out, "<small>median</small></div>");
    open_line(out, "p90");
    html_duration(out, status_quantile(answers, 0.9));
    close_line(out);
    open_line(out, "p99");
    html_duration(out, status_quantile(answers, 0.99));
    close_line(out);
    buf_puts(out, "</div>");
}

static void put_failures(struct buf *out, const struct status *status)
{
    const struct status_answers *answers = now(status);
    uint64_t failed = answers->classes[5] + answers->classes[0];
    double share = answers->requests > 0 ? (double)failed * 100 / (double)answers->requests : 0;

    open_card(out, "Failures");
    open_value(out, failed > 0 ? "bad" : "");
    buf_printf(out, "%.*f<small>%%</small></div>", failed > 0 ? 2 : 0, share);
    put_line(out, "5xx in all", status->answers.classes[5]);
    put_line(out, "unanswered", status->answers.classes[0]);
    buf_puts(out, "</div>");
}

static void put_active(struct buf *out, const struct status *status)
{
    open_card(out, "In flight");
    open_value(out, "");
    html_number(out, status->active);
    buf_puts(out, "<small>requests</small></div>");
    put_line(out, "queued", status->queued);
    put_line(out, "connections", status->connections);
    buf_puts(out, "</div>");
}

static void put_database(struct buf *out, const struct status *status, int configured)
{
    uint64_t serving = 0;

    for (unsigned i = WORKER_READY; i < STATUS_STATES; i++)
        serving += status->states[i];
    open_card(out, "Database");
    open_value(out, status->database_ready == 0 ? "bad" : "");
    buf_printf(out, "%" PRIu32 "<small>of %" PRIu64 " ready</small></div>", status->database_ready,
        serving * (uint64_t)configured);
    put_line(out, "connections lost", status->totals->counters[COUNTER_DATABASE_LOST]);
    put_line(out, "failed attempts", status->totals->counters[COUNTER_DATABASE_FAILURES]);
    buf_puts(out, "</div>");
}

static void put_queue(struct buf *out, const struct status *status)
{
    open_card(out, "Listen queue");
    if (status->listen_queue < 0) {
        buf_puts(out, "<div class=\"value\">-</div><div class=\"line\">unknown</div></div>");
        return;
    }
    open_value(out, status->listen_queue * 2 >= status->listen_limit ? "warn" : "");
    buf_printf(out, "%" PRId64 "<small>of %" PRId64 "</small></div>", status->listen_queue,
        status->listen_limit);
    html_gauge(out, (double)status->listen_queue, (double)status->listen_limit);
    buf_puts(out, "</div>");
}

static void put_cards(struct buf *out, const struct status *status, int configured)
{
    buf_puts(out, "<section class=\"cards\">");
    put_rate(out, status);
    put_speed(out, status);
    put_failures(out, status);
    put_active(out, status);
    put_database(out, status, configured);
    put_queue(out, status);
    buf_puts(out, "</section>\n");
}

/* --- how long, and where --- */

static void put_latency(struct buf *out, const struct status *status)
{
    const struct status_answers *answers = now(status);
    double counts[countof(bands)] = {0}, whole = (double)answers->requests;

    for (size_t i = 0, band = 0; i < SCOREBOARD_BUCKETS; i++) {
        while (scoreboard_bounds[i] > bands[band].bound_us)
            band++;
        counts[band] += (double)answers->buckets[i];
    }
    buf_puts(out, "<div class=\"card\"><h2>Answered within");
    if (status->window_us > 0)
        buf_printf(out, "<small>last %.0f s</small>", (double)status->window_us / 1e6);
    buf_puts(out, "</h2><div class=\"bar\" id=\"latency\">");
    for (size_t i = 0; i < countof(bands); i++)
        html_part(out, bands[i].colour, counts[i], whole);
    buf_puts(out, "</div><div class=\"legend\">");
    for (size_t i = 0; i < countof(bands); i++)
        html_legend(out, bands[i].colour, bands[i].name, counts[i], whole);
    buf_puts(out, "</div></div>");
}

static void put_stages(struct buf *out, const struct status *status)
{
    double whole = 0;

    for (size_t i = STAGE_READ; i < STAGE_COUNT; i++)
        whole += (double)status->totals->stage_us[i];
    buf_puts(out, "<div class=\"card\"><h2>Where the time goes<small>since the start</small></h2>"
                  "<div class=\"bar\" id=\"stages\">");
    for (size_t i = STAGE_READ; i < STAGE_COUNT; i++)
        html_part(out, status_stages[i].colour, (double)status->totals->stage_us[i], whole);
    buf_puts(out, "</div><div class=\"legend\">");
    for (size_t i = STAGE_READ; i < STAGE_COUNT; i++)
        html_legend(out, status_stages[i].colour, status_stages[i].name,
            (double)status->totals->stage_us[i], whole);
    buf_puts(out, "</div></div>");
}

void status_html(const struct status *status, struct exchange *exchange)
{
    struct buf *out = &exchange->reply.body;

    buf_reserve(out, BODY_SIZE);
    put_head(out, status);
    put_header(out, status);
    put_cards(out, status, service_of(exchange)->config->database.connections);
    status_tiles(out, status);
    buf_puts(out, "<section class=\"pair\">");
    put_latency(out, status);
    put_stages(out, status);
    buf_puts(out, "</section>\n");
    status_tables(out, status);
    buf_puts(out, "<footer><span>Renews itself every two seconds.</span>"
                  "<a href=\"status?format=text&amp;full\">text</a>"
                  "<a href=\"status?format=json&amp;full\">JSON</a>"
                  "<a href=\"metrics\">metrics</a></footer></main></body></html>\n");
}
