/*
 * status_tables.c: the lower half of the page: what was asked for by route, why workers ended, and
 * every counter. What is 0 is there, but faint.
 */
#include "api/html.h"
#include "api/status_html.h"

static void put_cell(struct buf *out, uint64_t number)
{
    buf_puts(out, number == 0 ? "<td class=\"zero\">" : "<td>");
    html_number(out, number);
    buf_puts(out, "</td>");
}

static void put_route(struct buf *out, const char *name, const uint64_t *classes,
    const struct status_answers *answers)
{
    static const char *const colours[SCOREBOARD_CLASSES] = {
        "violet", "soft", "ok", "teal", "warn", "bad"};

    buf_puts(out, "<tr><td>");
    html_text(out, name == NULL ? "no such route" : name);
    buf_puts(out, "</td><td class=\"wide\"><div class=\"bar\">");
    for (unsigned i = 0; i < SCOREBOARD_CLASSES; i++)
        html_part(out, colours[i], (double)classes[i], (double)answers->requests);
    buf_puts(out, "</div></td>");
    for (unsigned i = 2; i < SCOREBOARD_CLASSES; i++)
        put_cell(out, classes[i]);
    put_cell(out, classes[0]);
    buf_puts(out, "<td>");
    html_duration(out, status_quantile(answers, 0.5));
    buf_puts(out, "</td><td>");
    html_duration(out, status_quantile(answers, 0.99));
    buf_puts(out, "</td></tr>");
}

static void put_routes(struct buf *out, const struct status *status)
{
    uint64_t classes[SCOREBOARD_CLASSES];

    buf_puts(out, "<section class=\"card scroll\"><h2>Routes<small>since the start</small></h2>"
                  "<table id=\"routes\"><tr><th>route</th><th></th><th>2xx</th><th>3xx</th>"
                  "<th>4xx</th><th>5xx</th><th>unanswered</th><th>median</th><th>p99</th></tr>");
    for (unsigned route = 0; route <= SCOREBOARD_ROUTES; route++) {
        struct status_answers answers = {0};

        answers.requests = status_classes(status, route, classes);
        if (answers.requests == 0)
            continue;
        for (unsigned i = 0; i < SCOREBOARD_BUCKETS; i++)
            answers.buckets[i] = status->totals->latency[route][i];
        put_route(out, status_route(route), classes, &answers);
    }
    buf_puts(out, "</table></section>\n");
}

/* "database_connects_total" as "database connects". */
static void put_count(struct buf *out, const char *name, uint64_t number)
{
    size_t length = strlen(name);

    if (length > 6 && strcmp(name + length - 6, "_total") == 0)
        length -= 6;
    buf_puts(out, number == 0 ? "<span class=\"zero\">" : "<span>");
    for (size_t i = 0; i < length; i++)
        buf_putc(out, name[i] == '_' ? ' ' : name[i]);
    buf_puts(out, "<b>");
    html_number(out, number);
    buf_puts(out, "</b></span>");
}

static void put_counters(struct buf *out, const struct status *status)
{
    char name[64];

    buf_puts(out, "<section class=\"card\"><h2>Counters<small>since the start</small></h2>"
                  "<div class=\"counts\" id=\"counters\">");
    put_count(out, "reloads", status->reloads);
    put_count(out, "reloads failed", status->reloads_failed);
    for (unsigned i = 0; i < ENDING_COUNT; i++) {
        snprintf(name, sizeof name, "workers %s", ending_name((enum ending)i));
        put_count(out, name, status->endings[i]);
    }
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        put_count(out, counter_info((enum counter)i)->name, status->totals->counters[i]);
    buf_puts(out, "</div></section>\n");
}

void status_tables(struct buf *out, const struct status *status)
{
    put_routes(out, status);
    put_counters(out, status);
}
