/*
 * ops_status.c: the look at a pool over a scoreboard made by hand: estimates, sums, health, what
 * happened lately, and that nothing from outside reaches a page or a label unescaped.
 */
#include "api/html.h"
#include "api/metrics.h"
#include "api/ops.h"
#include "api/routes.h"
#include "api/service.h"
#include "api/status.h"
#include "api/status_html.h"

#include <check.h>

enum { SLOTS = 4 };

static struct config config;
static struct scoreboard *board;
static struct service service;
static struct app app;
static struct exchange exchange;

/* Two workers that serve, and the ops worker. */
static void set_up(void)
{
    int64_t now_us = base_now_us();

    board = scoreboard_new(SLOTS);
    config = (struct config){.pool.name = "api", .database.connections = 4};
    service = (struct service){.config = &config, .scoreboard = board, .listen_fd = -1};
    app = (struct app){.table = &routes, .service = &service};
    exchange = (struct exchange){.app = &app, .arena = arena_new(16384)};
    reply_init(&exchange.reply, exchange.arena);
    board->started_us = now_us - 10000000;
    for (int i = 0; i < 3; i++) {
        struct slot *slot = &board->slot[i];

        slot->pid = getpid();
        slot->kind = i == 2 ? WORKER_OPS : WORKER_POOL;
        slot->state = WORKER_READY;
        slot->started_us = slot->alive_us = now_us;
        slot->connections = 3;
        slot->active = 2;
        slot->queued = 1;
        slot->database_ready = 4;
    }
}

static void tear_down(void)
{
    arena_free(exchange.arena);
}

static unsigned ops_route(const char *path)
{
    for (unsigned i = 0; i < routes.count; i++)
        if (strcmp(routes.routes[i].path, path) == 0)
            return i;
    ck_abort_msg("no route %s", path);
    return 0;
}

static const char *body(void)
{
    return exchange.reply.body.data;
}

START_TEST(quantiles)
{
    struct status_answers answers = {0};

    ck_assert_int_eq(status_quantile(&answers, 0.5), -1);
    ck_assert_int_eq(status_slowest(&answers), -1);
    answers.requests = answers.buckets[0] = 10;
    ck_assert_int_eq(status_quantile(&answers, 0.5), 50);
    ck_assert_int_eq(status_quantile(&answers, 1), 100);
    ck_assert_int_eq(status_slowest(&answers), 100);
    answers.requests += answers.buckets[3] = 10;
    ck_assert_int_eq(status_quantile(&answers, 0.5), 100);
    ck_assert_int_eq(status_quantile(&answers, 0.75), 750);
    answers.requests += answers.buckets[SCOREBOARD_BUCKETS - 1] = 980;
    ck_assert_int_eq(status_quantile(&answers, 0.99), scoreboard_bounds[SCOREBOARD_BUCKETS - 2]);
    ck_assert_int_eq(status_slowest(&answers), INT64_MAX);
}
END_TEST

START_TEST(words)
{
    static const struct {
        int64_t us;
        const char *duration, *age;
    } rows[] = {{-1, "-", "00:00:00"}, {0, "0 us", "00:00:00"}, {999, "999 us", "00:00:00"},
        {1250, "1.25 ms", "00:00:00"}, {999000, "999 ms", "00:00:00"}, {999999, "1 s", "00:00:00"},
        {INT64_C(61000000), "61 s", "00:01:01"},
        {INT64_C(266706000000), "266706 s", "3d 02:05:06"}};
    char text[STATUS_WORD];

    for (size_t i = 0; i < countof(rows); i++) {
        ck_assert_str_eq(status_duration(rows[i].us, text), rows[i].duration);
        ck_assert_str_eq(status_age(rows[i].us, text), rows[i].age);
    }
}
END_TEST

START_TEST(sums)
{
    const struct status *status;

    slot_answered(&board->slot[0], 0, 200, 50);
    slot_answered(&board->slot[1], 0, 404, 50);
    slot_answered(&board->slot[1], SCOREBOARD_ROUTES, 404, 50);
    slot_answered(&board->slot[1], 0, 0, 50);
    slot_answered(&board->slot[2], ops_route("/status"), 200, 50);
    status = status_take(&exchange);
    ck_assert_uint_eq(status->answers.requests, 4);
    ck_assert_uint_eq(status->answers.classes[0], 1);
    ck_assert_uint_eq(status->answers.classes[2], 1);
    ck_assert_uint_eq(status->answers.classes[4], 2);
    ck_assert_uint_eq(status->connections, 6);
    ck_assert_uint_eq(status->active, 4);
    ck_assert_uint_eq(status->queued, 2);
    ck_assert_uint_eq(status->database_ready, 8);
    ck_assert_uint_eq(status->states[WORKER_READY], 2);
    ck_assert_uint_eq(status->worker_count, 3);
    ck_assert_int_gt(status->rss_bytes, 0);
    ck_assert_int_eq(status->listen_queue, -1);
}
END_TEST

/* A worker's counts go to the retired slot when it ends: no total changes by that. */
START_TEST(nothing_is_lost_with_a_worker)
{
    slot_answered(&board->slot[0], 0, 200, 50);
    slot_count(&board->slot[0], COUNTER_HASHES);
    scoreboard_retire(board, &board->slot[0]);
    ck_assert_uint_eq(status_take(&exchange)->answers.requests, 1);
    ck_assert_uint_eq(status_take(&exchange)->totals->counters[COUNTER_HASHES], 1);
    ck_assert_uint_eq(status_take(&exchange)->worker_count, 2);
}
END_TEST

START_TEST(health)
{
    ck_assert_int_eq(status_take(&exchange)->health, HEALTH_OK);
    ck_assert_ptr_null(status_take(&exchange)->reason);
    board->slot[1].alive_us = board->slot[1].started_us = base_now_us() - 5000000;
    ck_assert_int_eq(status_take(&exchange)->health, HEALTH_DEGRADED);
    ck_assert_ptr_nonnull(strstr(status_take(&exchange)->reason, "stuck"));
    board->slot[0].database_ready = board->slot[1].database_ready = 0;
    ck_assert_int_eq(status_take(&exchange)->health, HEALTH_DOWN);
    board->slot[0].state = board->slot[1].state = WORKER_STARTING;
    ck_assert_str_eq(status_take(&exchange)->reason, "No worker is ready.");
    board->draining = 1;
    ck_assert_int_eq(status_take(&exchange)->health, HEALTH_DRAINING);
}
END_TEST

START_TEST(lately)
{
    const struct status *status;

    slot_answered(&board->slot[0], 0, 200, 50);
    ck_assert_int_eq(status_take(&exchange)->window_us, 0);
    slot_answered(&board->slot[0], 0, 503, 5000);
    status = status_take(&exchange);
    ck_assert_int_gt(status->window_us, 0);
    ck_assert_uint_eq(status->recent.requests, 1);
    ck_assert_uint_eq(status->recent.classes[5], 1);
    ck_assert_uint_eq(status->answers.requests, 2);
}
END_TEST

/* A writer that died in the middle leaves an odd sequence: a reader gives up waiting for it. */
START_TEST(a_dead_writer_holds_up_nobody)
{
    slot_begin(&board->slot[0], base_now_us());
    board->slot[0].sequence |= 1;
    board->retired.sequence |= 1;
    ck_assert_uint_eq(status_take(&exchange)->workers[0].entry_count, 1);
}
END_TEST

START_TEST(escaping)
{
    struct buf out;

    buf_init(&out, exchange.arena, 16);
    html_text(&out, "<a href=\"x\">&'");
    ck_assert_str_eq(out.data, "&lt;a href=&quot;x&quot;&gt;&amp;'");
    config.pool.name = "<i>\"\\\n";
    metrics_render(status_take(&exchange), &exchange);
    ck_assert_ptr_nonnull(strstr(body(), ",pool=\"<i>\\\"\\\\\\n\"} 1\n"));
    reply_init(&exchange.reply, exchange.arena);
    status_html(status_take(&exchange), &exchange);
    ck_assert_ptr_null(strstr(body(), "<i>"));
    ck_assert_ptr_nonnull(strstr(body(), "&lt;i&gt;"));
    /* What a web server sent as its request id is shown as text. */
    reply_init(&exchange.reply, exchange.arena);
    slot_request(&board->slot[0], slot_begin(&board->slot[0], 1), "\"><script>", UINT16_MAX);
    status_html(status_take(&exchange), &exchange);
    ck_assert_ptr_null(strstr(body(), "<script"));
}
END_TEST

START_TEST(numbers)
{
    struct buf out;

    buf_init(&out, exchange.arena, 16);
    html_number(&out, 0);
    html_number(&out, 999);
    html_number(&out, 1000);
    html_number(&out, 1234567);
    buf_putc(&out, ' ');
    html_decimal(&out, 0.5);
    html_decimal(&out, 12.34);
    html_decimal(&out, 1234.5);
    buf_putc(&out, ' ');
    html_duration(&out, 12);
    ck_assert_str_eq(out.data, "09991,0001,234,567 0.5012.31,235 12 µs");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("status");
    Suite *suite = suite_create("ops_status");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, quantiles);
    tcase_add_test(tests, words);
    tcase_add_test(tests, sums);
    tcase_add_test(tests, nothing_is_lost_with_a_worker);
    tcase_add_test(tests, health);
    tcase_add_test(tests, lately);
    tcase_add_test(tests, a_dead_writer_holds_up_nobody);
    tcase_add_test(tests, escaping);
    tcase_add_test(tests, numbers);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
