/*
 * auth_hasher.c: the hashing process under a real loop: order, bounds, cancelling, dying, leaving.
 * The cost is the lowest (a millisecond), except where a job must be caught while it runs.
 */
#include "auth/hasher.h"
#include "pool/permits.h"
#include "place.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { QUEUE = 8 };

static char path[64];
static struct pepper *pepper;
static struct config config;
static struct scoreboard *board;
static struct worker worker;
static struct loop *loop;
static struct hasher *hasher;

static struct hash_job *order[4 * QUEUE];
static size_t answered;
static size_t expected;

static void open_hasher(int cost)
{
    config.password.bcrypt_cost = cost;
    config.password.hash_queue = QUEUE;
    config.password.hash_slots = 1;
    worker.loop = loop;
    hasher = hasher_new(&worker, pepper);
    ck_assert(hasher != NULL);
}

static void setup(void)
{
    char error[512];
    int fd;

    place(path, sizeof path, "pets-pepper");
    fd = mkstemp(path);
    ck_assert_int_eq(write(fd, "0123456789abcdef0123456789abcdef\n", 33), 33);
    close(fd);
    pepper = pepper_read(path, error, sizeof error);
    ck_assert_msg(pepper != NULL, "%s", error);
    loop = loop_new();
    ck_assert(loop != NULL);
    board = scoreboard_new(1);
    worker = (struct worker){
        .config = &config, .slot = &board->slot[0], .permits_fd = permits_open(), .loop = loop};
    ck_assert_int_ge(worker.permits_fd, 0);
    answered = 0;
}

static void teardown(void)
{
    hasher_free(hasher);
    loop_free(loop);
    close(worker.permits_fd);
    pepper_free(pepper);
    unlink(path);
}

/* A loop that was stopped does not run again: both anew. */
static void again(void)
{
    hasher_free(hasher);
    loop_free(loop);
    loop = loop_new();
    ck_assert(loop != NULL);
    open_hasher(4);
}

static void done(struct hash_job *job)
{
    order[answered++] = job;
    if (answered == expected)
        loop_stop(loop);
}

static struct hash_job make(const char *password)
{
    return (struct hash_job){
        .kind = HASH_MAKE, .password = password, .length = strlen(password), .done = done};
}

static void wait_for(size_t count)
{
    expected = count;
    if (answered < expected)
        ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_uint_eq(answered, expected);
}

START_TEST(make_and_verify)
{
    struct hash_job job = make("a long enough password");

    open_hasher(4);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    ck_assert_uint_eq(hasher_pending(hasher), 1);
    wait_for(1);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
    ck_assert(!job.failed);
    ck_assert_int_eq(strncmp(job.hash, "$2b$04$", 7), 0);

    again();
    job.kind = HASH_VERIFY;
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(2);
    ck_assert(job.matched);

    again();
    job.password = "another password";
    job.length = strlen(job.password);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(3);
    ck_assert(!job.matched);

    again();
    memcpy(job.hash, hasher_dummy(hasher), sizeof job.hash);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(4);
    ck_assert(!job.matched);
}
END_TEST

/* The caller may wipe the password, and let go of it, as soon as submit has returned. */
START_TEST(password_is_copied)
{
    char *password = strdup("a long enough password");
    struct hash_job job = make(password);

    open_hasher(4);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    memset(password, 'x', strlen(password));
    free(password);
    wait_for(1);
    ck_assert(password_verify(pepper, "a long enough password", 22, job.hash));
}
END_TEST

START_TEST(in_order_and_bounded)
{
    struct hash_job jobs[QUEUE + 1];

    open_hasher(4);
    for (size_t i = 0; i <= QUEUE; i++) {
        jobs[i] = make("a long enough password");
        ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), i < QUEUE ? 0 : -1);
    }
    ck_assert_uint_eq(hasher_pending(hasher), QUEUE);
    ck_assert(jobs[QUEUE].slot == NULL);
    wait_for(QUEUE);
    for (size_t i = 0; i < QUEUE; i++)
        ck_assert_ptr_eq(order[i], &jobs[i]);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
    ck_assert_int_eq(hasher_submit(hasher, &jobs[QUEUE]), 0);
}
END_TEST

/* A place that was reserved is nobody else's; it is used by the submission, or given back. */
START_TEST(reserved_places)
{
    struct hash_job jobs[QUEUE + 1];

    open_hasher(4);
    for (size_t i = 0; i <= QUEUE; i++) {
        jobs[i] = make("a long enough password");
        ck_assert_int_eq(hasher_reserve(hasher, &jobs[i]), i < QUEUE ? 0 : -1);
    }
    ck_assert_int_eq(hasher_submit(hasher, &jobs[QUEUE]), -1);
    ck_assert_uint_eq(board->slot[0].hash_pending, QUEUE);
    hasher_cancel(hasher, &jobs[3]);
    hasher_cancel(hasher, &jobs[3]);
    ck_assert_uint_eq(board->slot[0].hash_pending, QUEUE - 1);
    ck_assert_int_eq(hasher_submit(hasher, &jobs[QUEUE]), 0);
    for (size_t i = 0; i < QUEUE; i++)
        if (i != 3)
            ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), 0);
    ck_assert_uint_eq(hasher_pending(hasher), QUEUE);
    wait_for(QUEUE);
    ck_assert_ptr_eq(order[0], &jobs[QUEUE]);
    ck_assert_ptr_eq(order[1], &jobs[0]);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
    ck_assert_uint_eq(board->slot[0].hash_pending, 0);
}
END_TEST

/* Another process has the only permit: nothing is hashed, and what is cancelled never will be. */
START_TEST(waits_for_a_permit)
{
    struct hash_job jobs[2] = {make("a long enough password"), make("another long password")};
    int gate[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(gate), 0);
    child = fork();
    if (child == 0) {
        permits_take(worker.permits_fd, 1);
        (void)!write(gate[1], "", 1);
        pause();
    }
    ck_assert_int_eq(read(gate[0], &byte, 1), 1);
    open_hasher(4);
    for (size_t i = 0; i < countof(jobs); i++)
        ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), 0);
    usleep(50000);
    ck_assert_uint_eq(board->slot[0].hashing, 0);
    hasher_cancel(hasher, &jobs[0]); /* costs nobody a hash, but keeps its place until then */
    ck_assert_uint_eq(hasher_pending(hasher), 2);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    wait_for(1);
    ck_assert_ptr_eq(order[0], &jobs[1]);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
    ck_assert_uint_eq(board->slot[0].hashing, 0);
}
END_TEST

/* The only child of this process. */
static pid_t process_of_hasher(void)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while ((entry = readdir(processes)) != NULL) {
        char name[64];
        FILE *file;
        int parent = 0;

        snprintf(name, sizeof name, "/proc/%.20s/stat", entry->d_name);
        if (strspn(entry->d_name, "0123456789") == 0 || (file = fopen(name, "r")) == NULL)
            continue;
        if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == getpid())
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        fclose(file);
    }
    closedir(processes);
    ck_assert_int_gt(found, 0);
    return found;
}

static size_t descriptors_of(pid_t process)
{
    char name[64];
    struct dirent *entry;
    size_t count = 0;
    DIR *descriptors;

    snprintf(name, sizeof name, "/proc/%d/fd", process);
    descriptors = opendir(name);
    ck_assert(descriptors != NULL);
    while ((entry = readdir(descriptors)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(descriptors);
    return count;
}

static long pauses_of(pid_t process)
{
    static const char name[] = "\nvoluntary_ctxt_switches:";
    char status[64];
    char text[4096];
    char *at;
    FILE *file;

    snprintf(status, sizeof status, "/proc/%d/status", process);
    file = fopen(status, "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    at = strstr(text, name);
    ck_assert_ptr_nonnull(at);
    return strtol(at + sizeof name - 1, NULL, 10);
}

/*
 * A low priority, and a pause after each turn; and nothing of this process's is open in it but the
 * permits, the socket, and what the scheduler says of it.
 */
START_TEST(gives_way)
{
    struct hash_job job = make("a long enough password");
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    long pauses;
    pid_t process;

    open_hasher(11); /* some 100 ms: 600 turns */
    process = process_of_hasher();
    pauses = pauses_of(process);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(1);
    ck_assert_int_ge(pauses_of(process) - pauses, 50);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)process), 19);
    ck_assert_uint_eq(descriptors_of(process), 3 + 3);
    ck_assert_int_lt(getpriority(PRIO_PROCESS, 0), 10);
    /* None when there is nothing to do. */
    pauses = pauses_of(process);
    usleep(20000);
    ck_assert_int_le(pauses_of(process) - pauses, 1);
    close(other);
}
END_TEST

/* Killed while it hashes, it has a successor, and no job is lost. */
START_TEST(dies)
{
    struct hash_job jobs[3];

    open_hasher(11);
    for (size_t i = 0; i < countof(jobs); i++) {
        jobs[i] = make("a long enough password");
        ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), 0);
    }
    while (atomic_load(&board->slot[0].hashing) == 0)
        usleep(200);
    kill(process_of_hasher(), SIGKILL);
    wait_for(3);
    for (size_t i = 0; i < countof(jobs); i++) {
        ck_assert_ptr_eq(order[i], &jobs[i]);
        ck_assert(!jobs[i].failed);
    }
}
END_TEST

START_TEST(dies_idle)
{
    struct hash_job job = make("a long enough password");
    struct hash_job wrong;

    open_hasher(4);
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(1);
    answered = 0;
    again();
    kill(process_of_hasher(), SIGKILL);
    job.kind = HASH_VERIFY;
    wrong = job;
    wrong.password = "another long password";
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    ck_assert_int_eq(hasher_submit(hasher, &wrong), 0);
    wait_for(2);
    ck_assert(job.matched);
    ck_assert(!wrong.matched);
}
END_TEST

START_TEST(too_long)
{
    char password[PASSWORD_MAX + 1] = {0};
    struct hash_job job = make("");

    open_hasher(4);
    job.password = password;
    job.length = PASSWORD_MAX;
    ck_assert_int_eq(hasher_submit(hasher, &job), 0);
    wait_for(1);
    job.length = PASSWORD_MAX + 1;
    ck_assert_int_eq(hasher_submit(hasher, &job), -1);
}
END_TEST

/* First, middle and last of those that wait; the places are free at once. */
START_TEST(cancel_waiting)
{
    struct hash_job jobs[QUEUE];
    struct hash_job more[3];

    open_hasher(8); /* 20 ms: the others wait long enough */
    for (size_t i = 0; i < QUEUE; i++) {
        jobs[i] = make("a long enough password");
        ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), 0);
    }
    hasher_cancel(hasher, &jobs[QUEUE - 1]);
    hasher_cancel(hasher, &jobs[2]);
    hasher_cancel(hasher, &jobs[4]);
    hasher_cancel(hasher, &jobs[4]); /* twice is harmless */
    ck_assert_uint_eq(hasher_pending(hasher), QUEUE - 3);
    for (size_t i = 0; i < 3; i++) {
        more[i] = make("another long password");
        ck_assert_int_eq(hasher_submit(hasher, &more[i]), 0);
    }
    wait_for(QUEUE);
    ck_assert_ptr_eq(order[0], &jobs[0]);
    ck_assert_ptr_eq(order[1], &jobs[1]);
    ck_assert_ptr_eq(order[2], &jobs[3]);
    ck_assert_ptr_eq(order[3], &jobs[5]);
    ck_assert_ptr_eq(order[4], &jobs[6]);
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_eq(order[5 + i], &more[i]);
}
END_TEST

/* A running job goes on in memory of its own; its place is taken until it ends. */
START_TEST(cancel_running)
{
    struct hash_job *running = malloc(sizeof *running);
    struct hash_job next = make("another long password");

    open_hasher(11);
    *running = make("a long enough password");
    ck_assert_int_eq(hasher_submit(hasher, running), 0);
    while (board->slot[0].hashing == 0)
        usleep(200);
    hasher_cancel(hasher, running);
    free(running);
    ck_assert_uint_eq(hasher_pending(hasher), 1);
    ck_assert_int_eq(hasher_submit(hasher, &next), 0);
    wait_for(1);
    ck_assert_ptr_eq(order[0], &next);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
}
END_TEST

/* Finished, but the loop has not heard of it yet. */
START_TEST(cancel_finished)
{
    struct hash_job *job = malloc(sizeof *job);
    struct hash_job next = make("another long password");

    open_hasher(4);
    *job = make("a long enough password");
    ck_assert_int_eq(hasher_submit(hasher, job), 0);
    usleep(100000);
    hasher_cancel(hasher, job);
    free(job);
    ck_assert_int_eq(hasher_submit(hasher, &next), 0);
    wait_for(1);
    ck_assert_ptr_eq(order[0], &next);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
}
END_TEST

static int rounds;

/* What login does: a job that, when done, frees itself and submits the next. */
static void done_again(struct hash_job *job)
{
    free(job);
    if (++rounds == 20) {
        loop_stop(loop);
        return;
    }
    job = calloc(1, sizeof *job);
    *job = make("a long enough password");
    job->done = done_again;
    ck_assert_int_eq(hasher_submit(hasher, job), 0);
}

START_TEST(submit_from_done)
{
    struct hash_job *job = calloc(1, sizeof *job);

    open_hasher(4);
    *job = make("a long enough password");
    job->done = done_again;
    ck_assert_int_eq(hasher_submit(hasher, job), 0);
    ck_assert_int_eq(loop_run(loop), 0);
    ck_assert_int_eq(rounds, 20);
    ck_assert_uint_eq(hasher_pending(hasher), 0);
}
END_TEST

/* Freed with one running and others waiting: ends it, calls nobody, leaks nothing. */
START_TEST(free_while_busy)
{
    struct hash_job jobs[3];

    open_hasher(8);
    for (size_t i = 0; i < countof(jobs); i++) {
        jobs[i] = make("a long enough password");
        ck_assert_int_eq(hasher_submit(hasher, &jobs[i]), 0);
    }
    usleep(2000);
    hasher_free(hasher);
    hasher = NULL;
    ck_assert_uint_eq(answered, 0);
}
END_TEST

/* Blocking the signals of the hasher changes nothing here. */
START_TEST(signals_are_blocked)
{
    sigset_t before;
    sigset_t after;
    sigset_t pending;
    sigset_t alarm_only;

    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigprocmask(SIG_SETMASK, NULL, &before);
    open_hasher(4);
    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++)
        ck_assert_int_eq(sigismember(&before, i), sigismember(&after, i));

    /* With SIGALRM blocked here, nobody takes it: it stays pending (and would kill otherwise). */
    sigprocmask(SIG_BLOCK, &alarm_only, NULL);
    ck_assert_int_eq(kill(getpid(), SIGALRM), 0);
    usleep(50000);
    sigpending(&pending);
    ck_assert_int_eq(sigismember(&pending, SIGALRM), 1);
}
END_TEST

START_TEST(bad_cost)
{
    config.password.bcrypt_cost = 3;
    config.password.hash_queue = QUEUE;
    ck_assert(hasher_new(&worker, pepper) == NULL);
    ck_assert_int_eq(errno, EINVAL);
    hasher = NULL;
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hasher");
    Suite *suite = suite_create("auth_hasher");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, make_and_verify);
    tcase_add_test(tests, password_is_copied);
    tcase_add_test(tests, in_order_and_bounded);
    tcase_add_test(tests, reserved_places);
    tcase_add_test(tests, waits_for_a_permit);
    tcase_add_test(tests, gives_way);
    tcase_add_test(tests, dies);
    tcase_add_test(tests, dies_idle);
    tcase_add_test(tests, too_long);
    tcase_add_test(tests, cancel_waiting);
    tcase_add_test(tests, cancel_running);
    tcase_add_test(tests, cancel_finished);
    tcase_add_test(tests, submit_from_done);
    tcase_add_test(tests, free_while_busy);
    tcase_add_test(tests, signals_are_blocked);
    tcase_add_test(tests, bad_cost);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
