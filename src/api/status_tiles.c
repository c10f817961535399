/*
 * status_tiles.c: a tile a worker: its mood, the requests that it has in hand with the stage each
 * is in, and a few numbers. A tile keeps its size, so that the page does not jump.
 */
#include "api/html.h"
#include "api/status_html.h"

enum { SHOWN = 3 }; /* requests a tile */

/* The class of a tile, which is also the word on it. */
static const char *mood(const struct status_worker *worker)
{
    if (status_stuck(worker))
        return "stuck";
    if (worker->state == WORKER_READY)
        return worker->active > 0 ? "busy" : "idle";
    return worker_state_name(worker->state);
}

/* The oldest first: those are what one looks for. */
static int by_age(const void *a, const void *b)
{
    const struct request_entry *one = a, *other = b;

    return (one->started_us > other->started_us) - (one->started_us < other->started_us);
}

static void put_entry(struct buf *out, const struct request_entry *entry, int64_t now_us)
{
    const struct status_shade *stage = &status_stages[MIN(entry->stage, STAGE_COUNT - 1)];
    const char *route = status_route(entry->route), *statement = status_statement(entry);

    buf_puts(out, "<li title=\"");
    html_text(out, entry->request_id);
    if (statement != NULL)
        buf_printf(out, " · %s · backend %" PRId32, statement, entry->backend_pid);
    buf_puts(out, "\"><span>");
    html_text(out, route == NULL ? "a request" : route);
    buf_printf(out, "</span><em class=\"%s-c\">", stage->colour);
    html_text(out, stage->name);
    buf_puts(out, "</em><b>");
    html_duration(out, MAX(now_us - entry->started_us, 0));
    buf_puts(out, "</b></li>");
}

static void put_entries(struct buf *out, const struct status_worker *worker, int64_t now_us)
{
    struct request_entry entries[SCOREBOARD_REQUESTS];
    size_t shown = worker->entry_count > SHOWN ? SHOWN - 1 : worker->entry_count;

    memcpy(entries, worker->entries, sizeof entries);
    qsort(entries, worker->entry_count, sizeof entries[0], by_age);
    buf_puts(out, "<ul>");
    for (size_t i = 0; i < shown; i++)
        put_entry(out, &entries[i], now_us);
    if (worker->entry_count == 0)
        buf_puts(out, "<li class=\"none\">nothing to do</li>");
    else if (worker->entry_count > shown)
        buf_printf(out, "<li class=\"none\">and %" PRIu32 " more</li>",
            MAX(worker->active, (uint32_t)worker->entry_count) - (uint32_t)shown);
    buf_puts(out, "</ul>");
}

static void put_facts(struct buf *out, const struct status_worker *worker)
{
    buf_puts(out, "<dl><dt>requests</dt><dd>");
    html_number(out, worker->requests);
    buf_printf(out, "</dd><dt>connections</dt><dd>%" PRIu32 "</dd><dt>memory</dt><dd>",
        worker->connections);
    if (worker->rss_bytes < 0)
        buf_putc(out, '-');
    else
        buf_printf(out, "%.1f MiB", (double)worker->rss_bytes / 1048576);
    buf_puts(out, "</dd><dt>age</dt><dd>");
    html_age(out, worker->age_us);
    buf_puts(out, "</dd></dl>");
}

static void put_tile(struct buf *out, const struct status_worker *worker, int64_t now_us)
{
    const char *word = mood(worker);

    buf_printf(out, "<div class=\"tile %s%s\" id=\"pid-%" PRId32 "\"><h3>%" PRId32 "<small>", word,
        worker->kind == WORKER_OPS ? " ops" : "", worker->pid, worker->pid);
    if (worker->kind == WORKER_OPS)
        buf_puts(out, "ops worker");
    else
        buf_printf(out, "generation %" PRIu32, worker->generation);
    buf_printf(out, "</small><span class=\"mood\">%s", word);
    if (status_stuck(worker)) {
        buf_putc(out, ' ');
        html_duration(out, worker->silent_us);
    }
    buf_puts(out, "</span></h3>");
    put_entries(out, worker, now_us);
    put_facts(out, worker);
    buf_puts(out, "</div>");
}

void status_tiles(struct buf *out, const struct status *status)
{
    buf_puts(out, "<section class=\"tiles\">");
    for (size_t i = 0; i < status->worker_count; i++)
        put_tile(out, &status->workers[i], status->now_us);
    buf_puts(out, "</section>\n");
}
