/*
 * pool_loop.c: the loop's promises: no event for a watch that is removed, nothing freed under its
 * hands, ticks also while it is busy, and no system call that is not needed.
 */
#include "pool/loop.h"

#include <check.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct loop *loop;

static void set_up(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
}

static void tear_down(void)
{
    loop_free(loop);
    loop = NULL;
    loop_free(NULL);
}

struct peer {
    struct watch watch;
    struct peer *other;
    int events;
};

static void stop(void *object)
{
    (void)object;
    loop_stop(loop);
}

static struct peer *new_peer(void (*ready)(struct watch *, uint32_t))
{
    struct peer *peer = calloc(1, sizeof *peer);

    ck_assert_ptr_nonnull(peer);
    peer->watch.fd = eventfd(1, EFD_NONBLOCK);
    ck_assert_int_ge(peer->watch.fd, 0);
    peer->watch.ready = ready;
    ck_assert_int_eq(loop_add(loop, &peer->watch, EPOLLIN), 0);
    return peer;
}

/* Whoever is first removes both and frees them later. */
static void remove_both(struct watch *watch, uint32_t events)
{
    struct peer *peer = container_of(watch, struct peer, watch);
    int fds[2] = {watch->fd, peer->other->watch.fd};

    ck_assert_uint_eq(events, EPOLLIN);
    peer->events++;
    loop_remove(loop, &peer->other->watch);
    loop_remove(loop, &peer->watch);
    loop_remove(loop, &peer->watch);
    ck_assert_int_eq(watch->fd, -1);
    close(fds[0]);
    close(fds[1]);
    loop_later(loop, stop, NULL);
}

START_TEST(removed_in_the_same_batch)
{
    struct peer *one = new_peer(remove_both), *two = new_peer(remove_both);

    one->other = two;
    two->other = one;
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(one->events + two->events, 1);
    free(one);
    free(two);
}
END_TEST

/* Whoever is first removes the other, whose watch is put to a new use at once. */
static void reuse_other(struct watch *watch, uint32_t events)
{
    struct peer *peer = container_of(watch, struct peer, watch), *other = peer->other;
    int fd = other->watch.fd;

    (void)events;
    peer->events++;
    loop_remove(loop, &other->watch);
    close(fd);
    loop_remove(loop, &peer->watch);
    other->watch.fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_eq(loop_add(loop, &other->watch, EPOLLIN), 0);
    loop_later(loop, stop, NULL);
}

START_TEST(no_old_event_for_a_new_watch)
{
    struct peer *one = new_peer(reuse_other), *two = new_peer(reuse_other);

    one->other = two;
    two->other = one;
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(one->events + two->events, 1);
    free(one);
    free(two);
}
END_TEST

static char trace[64];

static void note(void *object)
{
    strncat(trace, object, sizeof trace - strlen(trace) - 1);
}

static void note_and_ask_again(void *object)
{
    note(object);
    loop_later(loop, note, "3");
    loop_later(loop, stop, NULL);
}

START_TEST(later_in_order)
{
    char text[2] = "";
    char *letters = malloc(52);

    loop_later(loop, note, "1");
    loop_later(loop, note_and_ask_again, "2");
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(trace, "123");
    /* More than fit at first, and what is still waiting when the loop stops is done too. */
    trace[0] = '\0';
    for (int i = 0; i < 26; i++) {
        letters[2 * i] = (char)('a' + i);
        letters[2 * i + 1] = text[0];
        loop_later(loop, note, letters + (ptrdiff_t)2 * i);
    }
    loop_stop(loop);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_str_eq(trace, "abcdefghijklmnopqrstuvwxyz");
    free(letters);
}
END_TEST

static int ticks;
static int64_t last_tick;

static void on_tick(struct tick *tick, int64_t now_us)
{
    (void)tick;
    ck_assert_int_ge(now_us, last_tick);
    last_tick = now_us;
    if (++ticks == 4)
        loop_stop(loop);
}

static void stay_ready(struct watch *watch, uint32_t events)
{
    struct peer *peer = container_of(watch, struct peer, watch);

    (void)events;
    peer->events++;
}

/* A descriptor that is always ready does not keep the ticks from coming, nor idleness. */
START_TEST(ticks_while_busy)
{
    struct tick tick = {on_tick, NULL};
    int64_t start = base_now_us(), elapsed;
    struct peer *peer = _i == 0 ? new_peer(stay_ready) : NULL;

    loop_add_tick(loop, &tick);
    ck_assert_int_eq(loop_run(loop), 0);
    elapsed = base_now_us() - start;
    ck_assert_int_eq(ticks, 4);
    ck_assert_int_ge(elapsed, 3 * LOOP_TICK_MS * 1000);
    ck_assert_int_lt(elapsed, 100 * LOOP_TICK_MS * 1000);
    if (peer != NULL) {
        ck_assert_int_gt(peer->events, 100);
        close(peer->watch.fd);
    }
    free(peer);
}
END_TEST

static void stop_after_two(struct watch *watch, uint32_t events)
{
    struct peer *peer = container_of(watch, struct peer, watch);

    (void)events;
    if (++peer->events == 2)
        loop_stop(loop);
}

START_TEST(level_triggered)
{
    struct peer *peer = new_peer(stop_after_two);

    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(peer->events, 2);
    close(peer->watch.fd);
    free(peer);
}
END_TEST

/* Once it has been removed from the kernel's set behind the loop's back, only a real change
 * notices. */
START_TEST(change_to_the_same_is_free)
{
    struct peer *peer = new_peer(stop_after_two);

    ck_assert_int_eq(close(peer->watch.fd), 0);
    ck_assert_int_eq(loop_change(loop, &peer->watch, EPOLLIN), 0);
    ck_assert_int_eq(loop_change(loop, &peer->watch, EPOLLOUT), -1);
    ck_assert_int_eq(errno, EBADF);
    free(peer);
}
END_TEST

START_TEST(change_takes_effect)
{
    struct peer *peer = new_peer(stop_after_two);
    struct tick tick = {on_tick, NULL};

    loop_add_tick(loop, &tick);
    ck_assert_int_eq(loop_change(loop, &peer->watch, 0), 0);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(peer->events, 0);
    close(peer->watch.fd);
    free(peer);
}
END_TEST

/* Many watchers of one listener: exclusive watches can be changed too. */
START_TEST(exclusive)
{
    struct peer peer = {.watch = {eventfd(1, EFD_NONBLOCK), stop_after_two, 0}};

    ck_assert_int_eq(loop_add(loop, &peer.watch, EPOLLIN | EPOLLEXCLUSIVE), 0);
    ck_assert_int_eq(loop_change(loop, &peer.watch, 0), 0);
    ck_assert_int_eq(loop_change(loop, &peer.watch, EPOLLIN | EPOLLEXCLUSIVE), 0);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(peer.events, 2);
    close(peer.watch.fd);
}
END_TEST

static void ignore_signal(int number)
{
    (void)number;
}

/* Signals interrupt the wait and nothing else. */
START_TEST(interrupted)
{
    struct tick tick = {on_tick, NULL};
    struct sigaction action = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};
    struct itimerspec soon = {.it_value.tv_nsec = 7000000, .it_interval.tv_nsec = 7000000};
    timer_t timer;

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &soon, NULL), 0);
    loop_add_tick(loop, &tick);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(ticks, 4);
    timer_delete(timer);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("loop");
    Suite *suite = suite_create("pool_loop");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, removed_in_the_same_batch);
    tcase_add_test(tests, no_old_event_for_a_new_watch);
    tcase_add_test(tests, later_in_order);
    tcase_add_loop_test(tests, ticks_while_busy, 0, 2);
    tcase_add_test(tests, level_triggered);
    tcase_add_test(tests, change_to_the_same_is_free);
    tcase_add_test(tests, change_takes_effect);
    tcase_add_test(tests, exclusive);
    tcase_add_test(tests, interrupted);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
