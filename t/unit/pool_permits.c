/*
 * pool_permits.c: many processes at once, counted in shared memory: never more inside than there
 * are permits, all permits in use when enough want them, and none lost with a process that is
 * killed.
 */
#include "base/base.h"
#include "pool/permits.h"

#include <check.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { PROCESSES = 8, ROUNDS = 100 };

static struct shared {
    _Atomic int inside, most, rounds;
    _Atomic int who[PROCESSES + 1]; /* has the permit */
} * shared;
static int fd;

static void setup(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    fd = permits_open();
    ck_assert_int_ge(fd, 0);
}

static void teardown(void)
{
    munmap(shared, sizeof *shared);
    close(fd);
}

/* In a child: takes and gives, and counts who is inside; a permit is nobody else's meanwhile. */
_Noreturn static void go_round(int number, int count)
{
    for (int i = 0; i < ROUNDS; i++) {
        int permit = permits_take(fd, count), inside, most, nobody = 0;

        if (permit < 1 || permit > count ||
            !atomic_compare_exchange_strong(&shared->who[permit], &nobody, number))
            _exit(1);
        inside = atomic_fetch_add(&shared->inside, 1) + 1;
        most = shared->most;
        while (inside > most && !atomic_compare_exchange_weak(&shared->most, &most, inside))
            ;
        usleep(500);
        shared->rounds++;
        shared->inside--;
        shared->who[permit] = 0;
        permits_give(fd, permit);
    }
    _exit(0);
}

static void start_all(pid_t *children, int count)
{
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0)
            go_round(i + 1, count);
    }
}

START_TEST(never_more_than_there_are)
{
    static const int counts[] = {1, 2, 3, PROCESSES};
    pid_t children[PROCESSES];
    int status;

    start_all(children, counts[_i]);
    for (int i = 0; i < PROCESSES; i++) {
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(shared->rounds, PROCESSES * ROUNDS);
    ck_assert_int_eq(shared->inside, 0);
    ck_assert_int_le(shared->most, counts[_i]);
    if (counts[_i] < PROCESSES)
        ck_assert_int_eq(shared->most, counts[_i]);
}
END_TEST

/* Killed inside, and killed while waiting at the door or just behind it. */
START_TEST(a_death_frees_its_permit)
{
    int ready[2], permit;
    pid_t children[4];
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    for (size_t i = 0; i < countof(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            permits_take(fd, 2);
            (void)!write(ready[1], "", 1);
            pause();
        }
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    for (size_t i = 0; i < countof(children); i++) {
        kill(children[i], SIGKILL);
        ck_assert_int_eq(waitpid(children[i], NULL, 0), children[i]);
    }
    permit = permits_take(fd, 2);
    ck_assert_int_ge(permit, 1);
    permits_give(fd, permit);
}
END_TEST

START_TEST(the_count_may_change)
{
    int permit = permits_take(fd, 1);
    pid_t child;
    int status;

    ck_assert_int_eq(permit, 1);
    child = fork();
    if (child == 0)
        _exit(permits_take(fd, 2));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    permits_give(fd, permit);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("permits");
    Suite *suite = suite_create("pool_permits");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, never_more_than_there_are, 0, 4);
    tcase_add_test(tests, a_death_frees_its_permit);
    tcase_add_test(tests, the_count_may_change);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
