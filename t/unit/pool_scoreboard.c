/*
 * pool_scoreboard.c: entries never read torn while another process writes them; totals are exact
 * while workers are retired under the reader's eyes; a writer that died in the middle blocks
 * nobody.
 */
#include "pool/scoreboard.h"

#include <check.h>
#include <sys/wait.h>

START_TEST(an_entry_and_its_stages)
{
    struct scoreboard *board = scoreboard_new(1);
    struct slot *slot = &board->slot[0];
    struct request_entry copy[SCOREBOARD_REQUESTS];
    int entry = slot_begin(slot, 1000);

    ck_assert_int_eq(entry, 0);
    ck_assert_uint_eq(slot_entries(slot, copy), 1);
    ck_assert_str_eq(copy[0].request_id, "");
    ck_assert_uint_eq(copy[0].route, UINT16_MAX);
    ck_assert_int_eq(copy[0].statement, -1);
    ck_assert_uint_eq(copy[0].stage, STAGE_READ);
    slot_request(slot, entry, "0123456789abcdef0123456789abcdef0123456789abcdef", 7);
    slot_stage(slot, entry, STAGE_CHECK, 1100);
    slot_stage(slot, entry, STAGE_DATABASE, 1300);
    slot_database(slot, entry, 3, 4711);
    ck_assert_uint_eq(slot_entries(slot, copy), 1);
    ck_assert_str_eq(copy[0].request_id, "0123456789abcdef0123456789abcdef0123456");
    ck_assert_uint_eq(copy[0].route, 7);
    ck_assert_int_eq(copy[0].statement, 3);
    ck_assert_int_eq(copy[0].backend_pid, 4711);
    ck_assert_int_eq(copy[0].started_us, 1000);
    ck_assert_int_eq(copy[0].stage_us, 1300);
    slot_stage(slot, entry, STAGE_NONE, 1700);
    slot_end(slot, entry);
    ck_assert_uint_eq(slot_entries(slot, copy), 0);
    ck_assert_uint_eq(slot->totals.stage_us[STAGE_READ], 100);
    ck_assert_uint_eq(slot->totals.stage_us[STAGE_CHECK], 200);
    ck_assert_uint_eq(slot->totals.stage_us[STAGE_DATABASE], 400);
    ck_assert_uint_eq(slot->totals.stage_us[STAGE_NONE], 0);
}
END_TEST

START_TEST(more_than_are_shown)
{
    struct scoreboard *board = scoreboard_new(1);
    struct slot *slot = &board->slot[0];
    struct request_entry copy[SCOREBOARD_REQUESTS];

    for (int i = 0; i < SCOREBOARD_REQUESTS; i++)
        ck_assert_int_eq(slot_begin(slot, i + 1), i);
    ck_assert_int_eq(slot_begin(slot, 99), -1);
    slot_request(slot, -1, "x", 0);
    slot_stage(slot, -1, STAGE_CHECK, 1);
    slot_database(slot, -1, 1, 1);
    slot_end(slot, -1);
    ck_assert_uint_eq(slot_entries(slot, copy), SCOREBOARD_REQUESTS);
    slot_end(slot, 5);
    slot_end(slot, 17);
    ck_assert_uint_eq(slot_entries(slot, copy), SCOREBOARD_REQUESTS - 2);
    ck_assert_int_eq(slot_begin(slot, 99), 5);
    ck_assert_int_eq(slot_begin(slot, 99), 17);
    ck_assert_int_eq(slot_begin(slot, 99), -1);
}
END_TEST

START_TEST(answers)
{
    static const int statuses[] = {200, 204, 304, 404, 503, 0, 99, 600, -1};
    struct scoreboard *board = scoreboard_new(1);
    struct slot *slot = &board->slot[0];

    for (size_t i = 0; i < countof(statuses); i++)
        slot_answered(slot, 2, statuses[i], 100);
    ck_assert_uint_eq(slot->totals.requests[2][2], 2);
    ck_assert_uint_eq(slot->totals.requests[2][3], 1);
    ck_assert_uint_eq(slot->totals.requests[2][4], 1);
    ck_assert_uint_eq(slot->totals.requests[2][5], 1);
    ck_assert_uint_eq(slot->totals.requests[2][0], 4);
    ck_assert_uint_eq(slot->totals.latency[2][0], 9);
    ck_assert_uint_eq(slot->totals.latency_us[2], 900);
    slot_answered(slot, SCOREBOARD_ROUTES, 404, 101);
    slot_answered(slot, SCOREBOARD_ROUTES + 5, 404, INT64_MAX);
    slot_answered(slot, SCOREBOARD_ROUTES, 404, -5);
    ck_assert_uint_eq(slot->totals.requests[SCOREBOARD_ROUTES][4], 3);
    ck_assert_uint_eq(slot->totals.latency[SCOREBOARD_ROUTES][0], 1);
    ck_assert_uint_eq(slot->totals.latency[SCOREBOARD_ROUTES][1], 1);
    ck_assert_uint_eq(slot->totals.latency[SCOREBOARD_ROUTES][SCOREBOARD_BUCKETS - 1], 1);
}
END_TEST

START_TEST(names)
{
    for (int i = 0; i < COUNTER_COUNT; i++) {
        ck_assert_ptr_nonnull(counter_info((enum counter)i)->name);
        ck_assert_ptr_nonnull(strstr(counter_info((enum counter)i)->name, "_total"));
        ck_assert_ptr_nonnull(counter_info((enum counter)i)->help);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(
                counter_info((enum counter)i)->name, counter_info((enum counter)j)->name);
    }
    for (int i = 0; i < STAGE_COUNT; i++)
        ck_assert_ptr_nonnull(stage_name((enum stage)i));
    for (int i = 0; i < ENDING_COUNT; i++)
        ck_assert_ptr_nonnull(ending_name((enum ending)i));
    ck_assert_str_eq(stage_name((enum stage)99), "unknown");
    ck_assert_str_eq(worker_state_name(WORKER_DRAINING), "draining");
    ck_assert_str_eq(worker_state_name((enum worker_state)99), "unknown");
    for (int i = 1; i < SCOREBOARD_BUCKETS; i++)
        ck_assert_int_gt(scoreboard_bounds[i], scoreboard_bounds[i - 1]);
}
END_TEST

/* In every entry that is whole all numbers are the same, and the id spells them. */
_Noreturn static void write_for_ever(struct slot *slot)
{
    for (int32_t n = 0;; n = (n + 1) % 1000) {
        int entry = slot_begin(slot, n);
        char id[40];

        snprintf(id, sizeof id, "%036d", n);
        slot_request(slot, entry, id, (uint16_t)n);
        slot_database(slot, entry, (int16_t)n, n);
        slot_stage(slot, entry, STAGE_ANSWER, n);
        slot_end(slot, entry);
    }
}

START_TEST(never_torn)
{
    struct scoreboard *board = scoreboard_new(1);
    struct slot *slot = &board->slot[0];
    struct request_entry copy[SCOREBOARD_REQUESTS];
    int64_t until = base_now_us() + 1000000;
    int whole = 0, status;
    char id[40];
    pid_t pid = fork();

    if (pid == 0)
        write_for_ever(slot);
    while (base_now_us() < until || whole < 100) {
        if (slot_entries(slot, copy) == 0)
            continue;
        ck_assert_int_eq(copy[0].stage_us, copy[0].started_us);
        if (copy[0].stage != STAGE_ANSWER)
            continue;
        whole++;
        snprintf(id, sizeof id, "%036d", (int)copy[0].started_us);
        ck_assert_str_eq(copy[0].request_id, id);
        ck_assert_int_eq(copy[0].route, copy[0].started_us);
        ck_assert_int_eq(copy[0].statement, copy[0].started_us);
        ck_assert_int_eq(copy[0].backend_pid, copy[0].started_us);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ck_assert_int_gt(whole, 0);
}
END_TEST

/* Killed in the middle of a change. */
START_TEST(a_dead_writer)
{
    struct scoreboard *board = scoreboard_new(1);
    struct slot *slot = &board->slot[0];
    struct request_entry copy[SCOREBOARD_REQUESTS];
    struct totals sum;
    int entry = slot_begin(slot, 1);

    slot_request(slot, entry, "abc", 3);
    atomic_fetch_add(&slot->sequence, 1);
    ck_assert_uint_eq(slot_entries(slot, copy), 1);
    ck_assert_str_eq(copy[0].request_id, "abc");
    scoreboard_retire(board, slot);
    ck_assert_uint_eq(slot_entries(slot, copy), 0);
    ck_assert_uint_eq(slot->sequence % 2, 0);
    /* The master itself, in the middle of retiring. */
    atomic_fetch_add(&board->retired.sequence, 1);
    scoreboard_totals(board, &sum);
}
END_TEST

/* What the totals must be after a worker that did `n`. */
static void work(struct slot *slot, int n)
{
    for (int i = 0; i < n; i++) {
        slot_count(slot, COUNTER_HASHES);
        slot_answered(slot, 1, 200, 300);
    }
}

START_TEST(retiring_loses_nothing)
{
    struct scoreboard *board = scoreboard_new(3);
    struct totals sum;

    for (int round = 1; round <= 50; round++) {
        for (uint32_t i = 0; i < board->slots; i++) {
            atomic_store(&board->slot[i].pid, 100);
            work(&board->slot[i], 10);
        }
        scoreboard_retire(board, &board->slot[round % 3]);
        ck_assert_int_eq(board->slot[round % 3].pid, 0);
        scoreboard_totals(board, &sum);
        ck_assert_uint_eq(sum.counters[COUNTER_HASHES], 30 * (unsigned)round);
        ck_assert_uint_eq(sum.requests[1][2], 30 * (unsigned)round);
        ck_assert_uint_eq(sum.latency_us[1], 9000 * (unsigned)round);
    }
}
END_TEST

/*
 * A "master" retires and refills slots without end; a worker's work is counted before its pid is
 * set and so never seen half. A reader that is not fooled sees multiples only, and never less than
 * before.
 */
_Noreturn static void retire_for_ever(struct scoreboard *board)
{
    for (uint32_t i = 0;; i = (i + 1) % board->slots) {
        work(&board->slot[i], 1);
        atomic_store(&board->slot[i].pid, 100);
        scoreboard_retire(board, &board->slot[i]);
    }
}

START_TEST(exact_while_retiring)
{
    struct scoreboard *board = scoreboard_new(4);
    int64_t until = base_now_us() + 1000000;
    uint64_t last = 0, changes = 0;
    struct totals sum;
    int status;
    pid_t pid = fork();

    if (pid == 0)
        retire_for_ever(board);
    while (base_now_us() < until || changes < 10) {
        scoreboard_totals(board, &sum);
        ck_assert_uint_ge(sum.counters[COUNTER_HASHES], last);
        changes += sum.counters[COUNTER_HASHES] != last;
        last = sum.counters[COUNTER_HASHES];
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ck_assert_uint_gt(changes, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scoreboard");
    Suite *suite = suite_create("pool_scoreboard");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, an_entry_and_its_stages);
    tcase_add_test(tests, more_than_are_shown);
    tcase_add_test(tests, answers);
    tcase_add_test(tests, names);
    tcase_add_test(tests, never_torn);
    tcase_add_test(tests, a_dead_writer);
    tcase_add_test(tests, retiring_loses_nothing);
    tcase_add_test(tests, exact_while_retiring);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
