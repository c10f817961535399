/*
 * pool_master.c: the life of a pool, one story a test. What happens is read from the log and from
 * systemd's socket, so nothing here waits longer than the pool does; whatever is counted is counted
 * exactly.
 */
#include "pool_fixture.h"

#include "pool/backoff.h"

#include <check.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct fixture pool;

static void set_up(void)
{
    fixture_init(&pool, 2);
}

static void tear_down(void)
{
    fixture_free(&pool);
}

/* A number in a line of the log. */
static int64_t number(const char *line, const char *key)
{
    char wanted[64];
    const char *found;

    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    found = strstr(line, wanted);
    ck_assert_msg(found != NULL, "no %s in %s", key, line);
    return strtoll(found + strlen(wanted), NULL, 10);
}

static void contains(const char *text, const char *part)
{
    ck_assert_msg(text != NULL && strstr(text, part) != NULL, "no %s in %s", part, text);
}

static pid_t pid_of(const char *who)
{
    ck_assert_ptr_nonnull(who);
    return (pid_t)strtol(who, NULL, 10);
}

static unsigned generation_of(const char *who)
{
    ck_assert_ptr_nonnull(who);
    return (unsigned)strtoul(strchr(who, ' '), NULL, 10);
}

/*
 * A connection to a worker of that generation or a later one. One of the old may take a connection
 * still, until it has read its QUIT.
 */
static int connect_to_generation(unsigned generation)
{
    int64_t until = base_now_us() + 30000000;

    for (;;) {
        int fd = fixture_connect(pool.socket);

        ck_assert_int_ge(fd, 0);
        if (generation_of(fixture_ask(fd, "who")) >= generation)
            return fd;
        close(fd);
        ck_assert_int_lt(base_now_us(), until);
    }
}

/* The master ends with that exit status. */
static void ends_with(int expected)
{
    int status = fixture_wait(&pool);

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "status %x", status);
}

static void stops(void)
{
    fixture_signal(&pool, SIGTERM);
    ends_with(0);
}

static void write_secret(const char *text)
{
    int fd = open(pool.secret, O_WRONLY | O_TRUNC);

    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(start_and_stop)
{
    struct stat status;
    const char *line;

    fixture_start(&pool, NULL);
    line = fixture_expect(&pool, "ready");
    ck_assert_int_eq(number(line, "workers"), 2);
    ck_assert_int_eq(number(line, "generation"), 1);
    ck_assert_int_lt(number(line, "after_ms"), 5000);
    ck_assert_int_eq(fixture_count(&pool, "\"worker_ready\""), 3);
    contains(fixture_notice(&pool), "READY=1\nSTATUS=");
    ck_assert_uint_eq(generation_of(fixture_ask_anew(&pool, "who")), 1);
    stops();
    contains(fixture_notice(&pool), "STOPPING=1");
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"replaced\""), 3);
    ck_assert_int_eq(fixture_count(&pool, "\"worker_ended\""), 3);
    ck_assert_int_eq(fixture_count(&pool, "\"level\":\"error\""), 0);
    ck_assert_int_eq(lstat(pool.socket, &status), -1);
    ck_assert_int_eq(lstat(pool.ops_socket, &status), -1);
}
END_TEST

/* Workers have the sockets of their kind and nothing else of anybody's. */
START_TEST(no_descriptor_leaks)
{
    const char *kinds[] = {pool.socket, pool.ops_socket};
    static const int listeners[] = {1, 2}; /* the ops worker may look at the pool's queue */
    static const int files[] = {1, 0};     /* of permits: those who serve */

    fixture_start(&pool, "ready");
    for (size_t i = 0; i < countof(kinds); i++) {
        int fd = fixture_connect(kinds[i]), sockets = 0, permits = 0, others = 0;
        char *rest = NULL, *list = strdup(fixture_ask(fd, "fds"));

        for (char *word = strtok_r(list, " ", &rest); word != NULL;
             word = strtok_r(NULL, " ", &rest)) {
            if (strtol(word, NULL, 10) <= 2)
                continue;
            sockets += strstr(word, ":socket:") != NULL;
            permits += strstr(word, ":/memfd:permits") != NULL;
            others += strstr(word, ":socket:") == NULL && strstr(word, ":/memfd:permits") == NULL &&
                      strstr(word, ":anon_inode:[eventpoll]") == NULL &&
                      strstr(word, ":anon_inode:[signalfd]") == NULL &&
                      strstr(word, "/log") == NULL;
        }
        /* Its listener(s), the lifeline and this connection. */
        ck_assert_int_eq(sockets, listeners[i] + 2);
        ck_assert_int_eq(permits, files[i]);
        ck_assert_int_eq(others, 0);
        close(fd);
        free(list);
    }
    stops();
}
END_TEST

/* A kept connection stays with its old worker; new ones meet the new generation; nothing is cut. */
START_TEST(reload)
{
    int kept, again;
    pid_t old;

    fixture_start(&pool, "ready");
    contains(fixture_notice(&pool), "READY=1");
    kept = fixture_connect(pool.socket);
    old = pid_of(fixture_ask(kept, "who"));
    fixture_ask(kept, "count 1000");
    fixture_configure(&pool, 3, "", "");
    fixture_signal(&pool, SIGHUP);
    contains(fixture_notice(&pool), "RELOADING=1\nMONOTONIC_USEC=");
    ck_assert_int_eq(number(fixture_expect(&pool, "reloaded"), "workers"), 3);
    contains(fixture_notice(&pool), "READY=1\nSTATUS=generation 2 is serving with 3 workers");
    ck_assert_int_eq(pid_of(fixture_ask(kept, "who")), old);
    fixture_expect(&pool, "worker_ended");
    again = connect_to_generation(2);
    ck_assert_str_eq(fixture_ask(again, "totals"), "1000");
    close(kept);
    /* Two old workers in all and the old ops worker. */
    fixture_expect(&pool, "worker_ended");
    fixture_expect(&pool, "worker_ended");
    ck_assert_str_eq(fixture_ask(again, "totals"), "1000");
    close(again);
    stops();
    ck_assert_int_eq(fixture_count(&pool, "\"worker_ended\""), 7);
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"replaced\""), 7);
    ck_assert_int_eq(fixture_count(&pool, "\"level\":\"error\""), 0);
}
END_TEST

/* Two HUPs at once are two reloads or one, never a mess; the last configuration wins. */
START_TEST(reload_during_reload)
{
    const char *line;

    fixture_start(&pool, "ready");
    for (int workers = 1; workers <= 3; workers++) {
        fixture_configure(&pool, workers, "", "");
        fixture_signal(&pool, SIGHUP);
    }
    do
        line = fixture_expect(&pool, "reloaded");
    while (number(line, "workers") != 3);
    close(connect_to_generation((unsigned)number(line, "generation")));
    stops();
    ck_assert_int_eq(fixture_count(&pool, "reload_failed"), 0);
}
END_TEST

START_TEST(reload_ignores_what_is_fixed)
{
    char socket[96];
    int fd;

    fixture_start(&pool, "ready");
    snprintf(socket, sizeof socket, "%s", pool.socket);
    snprintf(pool.socket, sizeof pool.socket, "%s/other.sock", pool.directory);
    fixture_configure(&pool, 2, "backlog = 5", "");
    fixture_signal(&pool, SIGHUP);
    contains(fixture_expect(&pool, "reload_ignored"), "\"pool.listen, pool.backlog\"");
    fixture_expect(&pool, "reloaded");
    ck_assert_int_eq(fixture_connect(pool.socket), -1);
    fd = fixture_connect(socket);
    ck_assert_int_ge(fd, 0);
    close(fd);
    stops();
}
END_TEST

/* In each case the old generation goes on, systemd and the log say why. */
static void survives_reload(const char *why)
{
    pid_t old = pid_of(fixture_ask_anew(&pool, "who"));
    const char *notice;

    contains(fixture_notice(&pool), "READY=1");
    fixture_signal(&pool, SIGHUP);
    contains(fixture_notice(&pool), "RELOADING=1");
    contains(fixture_expect(&pool, "reload_failed"), why);
    notice = fixture_notice(&pool);
    contains(notice, "READY=1\nSTATUS=reload failed, generation 1 is still serving: ");
    contains(notice, why);
    /* One worker: it is the same as before. */
    ck_assert_int_eq(pid_of(fixture_ask_anew(&pool, "who")), old);
    stops();
    ck_assert_int_eq(fixture_count(&pool, "\"reloaded\""), 0);
    ck_assert_int_eq(fixture_count(&pool, "\"reload_failed\""), 1);
}

START_TEST(reload_of_a_bad_file)
{
    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    fixture_configure(&pool, 1, "colour = red", "");
    survives_reload("pool.ini:6: pool.colour: there is no such option");
}
END_TEST

START_TEST(reload_of_a_bad_secret)
{
    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    ck_assert_int_eq(chmod(pool.secret, 0640), 0);
    survives_reload("a new worker exited with status 78, its configuration is bad");
    ck_assert_int_ge(fixture_count(&pool, "its mode must be 0600 or 0400"), 1);
}
END_TEST

START_TEST(reload_that_crashes)
{
    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    write_secret("crash");
    survives_reload("a new worker exited with status 1");
}
END_TEST

START_TEST(reload_that_is_not_ready_in_time)
{
    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    fixture_configure(&pool, 1, "start_timeout_ms = 200", "");
    write_secret("slow");
    survives_reload("a new worker was not ready within 200 ms");
}
END_TEST

START_TEST(reload_with_too_many)
{
    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    fixture_configure(&pool, 200, "", "");
    survives_reload("too many workers");
}
END_TEST

START_TEST(start_with_a_bad_secret)
{
    unlink(pool.secret);
    fixture_start(&pool, NULL);
    ends_with(78);
    ck_assert_int_eq(fixture_count(&pool, "\"start_failed\""), 1);
    ck_assert_int_ge(fixture_count(&pool, "\"secret_unreadable\""), 1);
    ck_assert_int_eq(fixture_count(&pool, "\"ready\""), 0);
}
END_TEST

START_TEST(start_on_a_taken_socket)
{
    struct fixture first = pool;

    fixture_start(&first, "ready");
    fixture_start(&pool, NULL);
    ends_with(1);
    contains(fixture_expect(&pool, "listen_failed"), "another process is serving it");
    ck_assert_ptr_nonnull(fixture_ask_anew(&pool, "who"));
    pool.master = first.master;
    stops();
}
END_TEST

/* It dies at every start: tried again after 1 s, then 2 s; and a mended one comes up by itself. */
START_TEST(crash_at_start)
{
    fixture_configure(&pool, 1, "ops_listen_mode = 0600", "");
    write_secret("crash");
    fixture_start(&pool, NULL);
    for (int64_t delay = 1; delay <= 2; delay++)
        for (int places = 0; places < 2; places++)
            ck_assert_int_eq(number(fixture_expect(&pool, "worker_backoff"), "delay_s"), delay);
    write_secret("sesame");
    fixture_expect(&pool, "ready");
    ck_assert_int_eq(fixture_count(&pool, "\"worker_backoff\""), 4);
    stops();
}
END_TEST

START_TEST(backoff_numbers)
{
    static const int delays[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct backoff backoff = {0};

    for (int round = 0; round < 2; round++) {
        ck_assert(backoff_is_over(&backoff, 0));
        for (size_t i = 0; i < countof(delays); i++) {
            backoff_failed(&backoff, 1000);
            ck_assert_int_eq(backoff.delay_s, delays[i]);
            ck_assert(!backoff_is_over(&backoff, 999 + delays[i] * INT64_C(1000000)));
            ck_assert(backoff_is_over(&backoff, 1000 + delays[i] * INT64_C(1000000)));
        }
        backoff_reset(&backoff);
    }
}
END_TEST

/* A worker crashes with two requests in flight: each is named, and what it had counted stays. */
START_TEST(crash)
{
    int fd, other;
    pid_t victim;
    const char *line;

    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    victim = pid_of(fixture_ask(fd, "who"));
    fixture_ask(fd, "count 77");
    fixture_ask(fd, "begin 00000000000000000000000000000001");
    fixture_ask(fd, "begin 00000000000000000000000000000002");
    ck_assert_ptr_null(fixture_ask(fd, "crash"));
    line = fixture_expect(&pool, "worker_ended");
    contains(line, "\"ending\":\"crashed\",\"detail\":\"was killed by SIGSEGV\"");
    ck_assert_int_eq(number(line, "worker"), victim);
    for (int i = 1; i <= 2; i++) {
        line = fixture_expect(&pool, "request_lost");
        contains(line, "\"request_id\":\"0000000000000000000000000000000");
        contains(line, "\"route\":\"GET /toys\",\"stage\":\"database\",\"statement\":\"toy_list\"");
        ck_assert_int_eq(number(line, "backend_pid"), 4711);
        ck_assert_int_eq(number(line, "worker"), victim);
    }
    other = fixture_connect(pool.socket);
    ck_assert_str_eq(fixture_ask(other, "totals"), "77");
    /* It had not been healthy yet. */
    ck_assert_int_eq(number(fixture_expect(&pool, "worker_backoff"), "delay_s"), 1);
    ck_assert_int_ne(number(fixture_expect(&pool, "worker_ready"), "worker"), victim);
    ck_assert_str_eq(fixture_ask(other, "totals"), "77");
    close(other);
    stops();
    ck_assert_int_eq(fixture_count(&pool, "\"request_lost\""), 2);
}
END_TEST

START_TEST(exits)
{
    fixture_start(&pool, "ready");
    ck_assert_ptr_null(fixture_ask_anew(&pool, "exit 3"));
    contains(fixture_expect(&pool, "worker_ended"),
        "\"ending\":\"failed\",\"detail\":\"exited with status 3\"");
    ck_assert_ptr_null(fixture_ask_anew(&pool, "exit 0"));
    contains(fixture_expect(&pool, "worker_ended"),
        "\"ending\":\"failed\",\"detail\":\"exited with status 0\"");
    stops();
}
END_TEST

/* The successor is ready before the old one is told to leave, and its kept connection ends in
 * peace. */
START_TEST(recycle)
{
    int fd, new_fd;
    pid_t old, next;
    const char *line;

    fixture_configure(&pool, 1, "", "");
    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    old = pid_of(fixture_ask(fd, "who"));
    fixture_ask(fd, "retire");
    next = (pid_t)number(fixture_expect(&pool, "worker_ready"), "worker");
    ck_assert_int_ne(next, old);
    ck_assert_int_eq(pid_of(fixture_ask(fd, "who")), old);
    do {
        new_fd = fixture_connect(pool.socket);
        line = fixture_ask(new_fd, "who");
        close(new_fd);
    } while (pid_of(line) == old);
    ck_assert_int_eq(pid_of(line), next);
    ck_assert_int_eq(pid_of(fixture_ask(fd, "who")), old);
    close(fd);
    line = fixture_expect(&pool, "worker_ended");
    ck_assert_int_eq(number(line, "worker"), old);
    contains(line, "\"ending\":\"recycled\"");
    stops();
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"recycled\""), 1);
    ck_assert_int_eq(fixture_count(&pool, "\"level\":\"error\""), 0);
}
END_TEST

static void is_killed(const char *command, const char *id)
{
    int fd = fixture_connect(pool.socket);
    char line[64];
    const char *end;

    snprintf(line, sizeof line, "begin %s", id);
    fixture_ask(fd, line);
    snprintf(line, sizeof line, "%s\n", command);
    ck_assert_int_gt(send(fd, line, strlen(line), MSG_NOSIGNAL), 0);
    end = fixture_expect(&pool, "worker_stuck");
    ck_assert_int_ge(number(end, "after_ms"), 2000);
    end = fixture_expect(&pool, "worker_ended");
    contains(end, "\"ending\":\"killed\",\"detail\":\"was killed by SIGKILL\"");
    contains(fixture_expect(&pool, "request_lost"), id);
    close(fd);
}

/* Its loop hangs, or only one of its requests does. */
START_TEST(stuck)
{
    fixture_configure(&pool, 2,
        "kill_timeout_ms = 2000\nrequest_timeout_ms = 500\nqueue_max_wait_ms = 10\n"
        "io_timeout_ms = 100",
        "");
    fixture_start(&pool, "ready");
    is_killed("hang", "00000000000000000000000000000001");
    is_killed("who", "00000000000000000000000000000002");
    stops();
    ck_assert_int_eq(fixture_count(&pool, "\"worker_stuck\""), 2);
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"killed\""), 2);
}
END_TEST

/* Whether nobody is left of these processes (they are reaped by whoever inherits them). */
static bool all_gone(const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kill(pids[i], 0) == 0)
            return false;
    return true;
}

/* The master is killed: workers serve their kept connections to the end, and release the socket. */
START_TEST(orphans)
{
    int64_t until = base_now_us() + 40000000;
    pid_t pids[3];
    int fd, other;

    fixture_start(&pool, NULL);
    for (size_t i = 0; i < countof(pids); i++)
        pids[i] = (pid_t)number(fixture_expect(&pool, "worker_ready"), "worker");
    fixture_expect(&pool, "ready");
    fd = fixture_connect(pool.socket);
    ck_assert_ptr_nonnull(fixture_ask(fd, "who"));
    kill(pool.master, SIGKILL);
    waitpid(pool.master, NULL, 0);
    for (size_t i = 0; i < countof(pids); i++)
        fixture_expect(&pool, "master_gone");
    /* The address is free, though a worker still serves its kept connection. */
    while ((other = fixture_connect(pool.socket)) >= 0) {
        close(other);
        ck_assert_int_lt(base_now_us(), until);
    }
    ck_assert_int_eq(errno, ECONNREFUSED);
    fixture_start(&pool, "ready");
    ck_assert_uint_eq(generation_of(fixture_ask(fd, "who")), 1);
    ck_assert(!all_gone(pids, countof(pids)));
    close(fd);
    while (!all_gone(pids, countof(pids))) {
        ck_assert_int_lt(base_now_us(), until);
        usleep(5000);
    }
    stops();
}
END_TEST

/* Orphans keep the time limits of the master that is gone. */
START_TEST(orphans_have_limits)
{
    int64_t until = base_now_us() + 40000000;
    pid_t pid;
    int fd;

    fixture_configure(&pool, 1, "drain_timeout_ms = 200\nterm_timeout_ms = 200", "");
    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    pid = pid_of(fixture_ask(fd, "who"));
    fixture_ask(fd, "deaf");
    kill(pool.master, SIGKILL);
    waitpid(pool.master, NULL, 0);
    pool.master = 0;
    fixture_expect(&pool, "worker_gave_up");
    while (kill(pid, 0) == 0) {
        ck_assert_int_lt(base_now_us(), until);
        usleep(5000);
    }
    close(fd);
}
END_TEST

/* The first TERM waits for a kept connection, the second does not. */
START_TEST(second_term)
{
    int fd;

    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    fixture_ask(fd, "who");
    fixture_signal(&pool, SIGTERM);
    fixture_expect(&pool, "worker_ended");
    /* A third QUIT changes nothing. */
    fixture_signal(&pool, SIGQUIT);
    ck_assert_ptr_nonnull(fixture_ask(fd, "who"));
    ck_assert_int_eq(fixture_connect(pool.socket), -1);
    fixture_signal(&pool, SIGINT);
    ends_with(0);
    ck_assert_ptr_null(fixture_ask(fd, "who"));
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"replaced\""), 3);
}
END_TEST

/* While the last workers drain, the ops worker still tells how they do. */
START_TEST(ops_goes_last)
{
    int fd, ops;

    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    fixture_ask(fd, "who");
    fixture_signal(&pool, SIGQUIT);
    fixture_expect(&pool, "worker_ended");
    ops = fixture_connect(pool.ops_socket);
    ck_assert_ptr_nonnull(fixture_ask(ops, "who"));
    close(ops);
    close(fd);
    ends_with(0);
}
END_TEST

/* QUIT, TERM, KILL. */
START_TEST(escalation)
{
    int64_t start;
    int fd;

    fixture_configure(&pool, 1, "drain_timeout_ms = 300\nterm_timeout_ms = 1000", "");
    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    fixture_ask(fd, "deaf");
    start = base_now_us();
    fixture_signal(&pool, SIGQUIT);
    ck_assert_int_ge(number(fixture_expect(&pool, "drain_timeout"), "after_ms"), 300);
    ck_assert_int_ge(number(fixture_expect(&pool, "term_timeout"), "after_ms"), 1000);
    ends_with(0);
    ck_assert_int_ge(base_now_us() - start, 1300000);
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"killed\""), 1);
    ck_assert_int_eq(fixture_count(&pool, "\"ending\":\"replaced\""), 1);
    close(fd);
}
END_TEST

START_TEST(third_term_kills)
{
    int fd;

    fixture_start(&pool, "ready");
    fd = fixture_connect(pool.socket);
    fixture_ask(fd, "deaf");
    fixture_signal(&pool, SIGTERM);
    fixture_expect(&pool, "stopping");
    fixture_signal(&pool, SIGTERM);
    ck_assert_ptr_nonnull(fixture_ask(fd, "who"));
    /* One that comes before the last is taken is no third: it is told until it has heard. */
    for (int i = 0; i < 10; i++) {
        usleep(50000);
        fixture_signal(&pool, SIGTERM);
    }
    ends_with(0);
    close(fd);
}
END_TEST

/* After a rotation everybody, master and workers, writes to the new file. */
START_TEST(log_rotation)
{
    char old[120];
    struct stat before, after;

    fixture_start(&pool, "ready");
    snprintf(old, sizeof old, "%s.1", pool.log);
    ck_assert_int_eq(rename(pool.log, old), 0);
    fixture_signal(&pool, SIGUSR1);
    do
        usleep(5000);
    while (stat(pool.log, &after) != 0);
    pool.log_seen = 0;
    usleep(300000);
    ck_assert_int_eq(stat(old, &before), 0);
    fixture_signal(&pool, SIGHUP);
    fixture_expect(&pool, "reloaded");
    kill(pool.master, SIGKILL);
    waitpid(pool.master, NULL, 0);
    pool.master = 0;
    for (int i = 0; i < 3; i++)
        fixture_expect(&pool, "master_gone");
    ck_assert_int_eq(stat(old, &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
}
END_TEST

/* A worker that serves and is alive is what the watchdog wants to see. */
START_TEST(watchdog)
{
    int pings = 0;

    setenv("WATCHDOG_USEC", "200000", 1);
    fixture_start(&pool, "ready");
    while (pings < 3) {
        const char *notice = fixture_notice(&pool);

        ck_assert_ptr_nonnull(notice);
        pings += strcmp(notice, "WATCHDOG=1") == 0;
    }
    stops();
}
END_TEST

/* Started with signals ignored or blocked, as by nohup or a careless parent. */
START_TEST(careless_parent)
{
    sigset_t all;

    signal(SIGCHLD, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    fixture_start(&pool, "ready");
    signal(SIGCHLD, SIG_DFL);
    fixture_signal(&pool, SIGHUP);
    fixture_expect(&pool, "reloaded");
    for (int i = 0; i < 3; i++)
        fixture_expect(&pool, "worker_ended");
    ck_assert_ptr_null(fixture_ask_anew(&pool, "exit 3"));
    contains(fixture_expect(&pool, "worker_backoff"), "exited with status 3");
    stops();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("master");
    Suite *suite = suite_create("pool_master");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, start_and_stop);
    tcase_add_test(tests, no_descriptor_leaks);
    tcase_add_test(tests, reload);
    tcase_add_test(tests, reload_during_reload);
    tcase_add_test(tests, reload_ignores_what_is_fixed);
    tcase_add_test(tests, reload_of_a_bad_file);
    tcase_add_test(tests, reload_of_a_bad_secret);
    tcase_add_test(tests, reload_that_crashes);
    tcase_add_test(tests, reload_that_is_not_ready_in_time);
    tcase_add_test(tests, reload_with_too_many);
    tcase_add_test(tests, start_with_a_bad_secret);
    tcase_add_test(tests, start_on_a_taken_socket);
    tcase_add_test(tests, crash_at_start);
    tcase_add_test(tests, backoff_numbers);
    tcase_add_test(tests, crash);
    tcase_add_test(tests, exits);
    tcase_add_test(tests, recycle);
    tcase_add_test(tests, stuck);
    tcase_add_test(tests, orphans);
    tcase_add_test(tests, orphans_have_limits);
    tcase_add_test(tests, second_term);
    tcase_add_test(tests, ops_goes_last);
    tcase_add_test(tests, escalation);
    tcase_add_test(tests, third_term_kills);
    tcase_add_test(tests, log_rotation);
    tcase_add_test(tests, watchdog);
    tcase_add_test(tests, careless_parent);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
