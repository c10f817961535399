/*
 * pool_guard.c: a peer that is silent, or sends a byte now and then, holds a blocking call no
 * longer than the limit; an innocent one is not disturbed by the ticking.
 */
#include "pool/worker.h"

#include <check.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int pair[2];
static pid_t peer;

static void set_up(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(guard_start(), 0);
    peer = 0;
}

static void tear_down(void)
{
    if (peer > 0) {
        kill(peer, SIGKILL);
        waitpid(peer, NULL, 0);
    }
    close(pair[0]);
    close(pair[1]);
}

/* A process that sends `count` bytes with pauses and then waits for its end. */
static void start_dribbling(int count, int pause_ms)
{
    peer = fork();
    if (peer != 0)
        return;
    close(pair[0]);
    for (int i = 0; i < count; i++) {
        usleep((useconds_t)pause_ms * 1000);
        if (send(pair[1], "x", 1, MSG_NOSIGNAL) != 1)
            break;
    }
    for (;;)
        pause();
}

/* As a library does: reads until it has all, and gives up on an error or the end. */
static int read_fully(int wanted)
{
    char byte;
    int got = 0;

    while (got < wanted && read(pair[0], &byte, 1) == 1)
        got++;
    return got;
}

static int64_t elapsed_ms(int64_t since_us)
{
    return (base_now_us() - since_us) / 1000;
}

START_TEST(silence_is_cut)
{
    int64_t start = base_now_us();

    guard_enter(pair[0], 300);
    ck_assert_int_eq(read_fully(1), 0);
    ck_assert(guard_leave());
    ck_assert_int_ge(elapsed_ms(start), 300);
    ck_assert_int_lt(elapsed_ms(start), 300 + 50 * GUARD_TICK_MS);
}
END_TEST

START_TEST(dribbling_is_cut)
{
    int64_t start = base_now_us();
    int got;

    start_dribbling(10000, 20);
    guard_enter(pair[0], 300);
    got = read_fully(10000);
    ck_assert(guard_leave());
    ck_assert_int_lt(got, 10000);
    ck_assert_int_lt(elapsed_ms(start), 300 + 50 * GUARD_TICK_MS);
}
END_TEST

/* The peer does not read: writing blocks as well. */
START_TEST(writing_is_cut)
{
    static char bytes[1 << 20];
    int64_t start = base_now_us();
    size_t sent = 0;

    guard_enter(pair[0], 300);
    while (sent < sizeof bytes) {
        ssize_t now = send(pair[0], bytes + sent, sizeof bytes - sent, MSG_NOSIGNAL);

        if (now <= 0)
            break;
        sent += (size_t)now;
    }
    ck_assert(guard_leave());
    ck_assert_uint_lt(sent, sizeof bytes);
    ck_assert_int_lt(elapsed_ms(start), 300 + 50 * GUARD_TICK_MS);
}
END_TEST

/* Several ticks pass while it reads; none of them is an error to it. */
START_TEST(innocents_are_not)
{
    start_dribbling(10, 100);
    for (int i = 0; i < 10; i++) {
        guard_enter(pair[0], 30000);
        ck_assert_int_eq(read_fully(1), 1);
        ck_assert(!guard_leave());
    }
}
END_TEST

/* Once left, a guard strikes nobody, however long ago its limit was. */
START_TEST(not_after_leaving)
{
    guard_enter(pair[0], 1);
    ck_assert(!guard_leave());
    start_dribbling(1, 3 * GUARD_TICK_MS);
    ck_assert_int_eq(read_fully(1), 1);
    guard_enter(pair[1], 30000);
    ck_assert(!guard_leave());
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("guard");
    Suite *suite = suite_create("pool_guard");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, silence_is_cut);
    tcase_add_test(tests, dribbling_is_cut);
    tcase_add_test(tests, writing_is_cut);
    tcase_add_test(tests, innocents_are_not);
    tcase_add_test(tests, not_after_leaving);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
