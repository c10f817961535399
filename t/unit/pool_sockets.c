/*
 * pool_sockets.c: listening sockets from everywhere they can come from, and everything that can lie
 * in their way; what waits in their queue; and what systemd is told.
 */
#include "pool/notify.h"
#include "pool/sockdiag.h"
#include "pool/sockets.h"
#include "place.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[64], path[96], ops_path[96], text[64], error[512];
static struct config config;
static struct sockets sockets;

static void set_up(void)
{
    place(directory, sizeof directory, "pool_sockets");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/api.sock", directory);
    snprintf(ops_path, sizeof ops_path, "%s/ops.sock", directory);
    memset(&config, 0, sizeof config);
    config.pool.name = "api";
    config.pool.listen = path;
    config.pool.listen_mode = 0640;
    config.pool.listen_group = "";
    config.pool.ops_listen = "";
    config.pool.ops_listen_mode = 0600;
    config.pool.ops_listen_group = "";
    config.pool.backlog = 7;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    error[0] = '\0';
}

static void tear_down(void)
{
    listener_unlink(&sockets.pool);
    listener_unlink(&sockets.ops);
    unlink(path);
    unlink(ops_path);
    rmdir(directory);
}

static void opens(void)
{
    ck_assert_msg(sockets_open(&sockets, &config, error, sizeof error) == 0, "%s", error);
}

static void refuses(const char *why)
{
    ck_assert_int_eq(sockets_open(&sockets, &config, error, sizeof error), -1);
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    ck_assert_int_eq(sockets.pool.fd, -1);
    ck_assert_int_eq(sockets.ops.fd, -1);
}

/* A connected descriptor, or -1 with errno. */
static int connect_to(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Listens at `where` as somebody else would, and says so with a descriptor. */
static int bind_to(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

static void is_private(int fd)
{
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(accept(fd, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(two_paths)
{
    struct stat status;
    char name[160];

    config.pool.ops_listen = ops_path;
    umask(0);
    opens();
    ck_assert_int_eq(umask(022), 0);
    is_private(sockets.pool.fd);
    is_private(sockets.ops.fd);
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
    ck_assert_int_eq(lstat(ops_path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    listener_name(&sockets.pool, name, sizeof name);
    ck_assert_str_eq(name, path);
    ck_assert_int_ge(connect_to(path), 0);
    listener_unlink(&sockets.pool);
    listener_unlink(&sockets.ops);
    ck_assert_int_eq(lstat(path, &status), -1);
    ck_assert_int_eq(lstat(ops_path, &status), -1);
    listener_close(&sockets.pool);
    listener_close(&sockets.pool);
}
END_TEST

/* A group by name and by number; only what the process may give can be tested by everybody. */
START_TEST(group)
{
    struct stat status;

    snprintf(text, sizeof text, "%u", (unsigned)getegid());
    config.pool.listen_group = text;
    opens();
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_gid, getegid());
    listener_unlink(&sockets.pool);
    config.pool.listen_group = "no-such-group-here";
    refuses("there is no group no-such-group-here");
    ck_assert_int_eq(lstat(path, &status), -1);
}
END_TEST

START_TEST(stale_is_replaced)
{
    close(bind_to(path));
    opens();
    ck_assert_int_ge(connect_to(path), 0);
}
END_TEST

START_TEST(alive_is_respected)
{
    int fd = bind_to(path);

    refuses("another process is serving it");
    /* Also when its queue is full. */
    while (connect_to(path) >= 0)
        ;
    ck_assert_int_eq(errno, EAGAIN);
    refuses("another process is serving it");
    close(fd);
}
END_TEST

/* The first listener is removed again when the second cannot be made. */
START_TEST(all_or_nothing)
{
    struct stat status;
    int fd = bind_to(ops_path);

    config.pool.ops_listen = ops_path;
    refuses("pool.ops_listen = ");
    ck_assert_int_eq(lstat(path, &status), -1);
    close(fd);
}
END_TEST

START_TEST(in_the_way)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    close(fd);
    refuses("not a socket");
    unlink(path);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    refuses("not a socket");
    unlink(path);
    config.pool.listen = "/nonexistent/api.sock";
    refuses("the directory /nonexistent cannot be used: No such file");
    config.pool.listen = path;
    ck_assert_int_eq(chmod(directory, 0777), 0);
    refuses("anybody may replace files");
    ck_assert_int_eq(chmod(directory, 01777), 0);
    opens();
}
END_TEST

/* Somebody holds the lock for longer than we wait, or for a moment. */
START_TEST(locked)
{
    int fd = open(directory, O_RDONLY), status;
    pid_t pid;

    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    refuses("cannot be locked");
    pid = fork();
    if (pid == 0) {
        usleep(200000);
        flock(fd, LOCK_UN);
        _exit(0);
    }
    opens();
    waitpid(pid, &status, 0);
}
END_TEST

/* What has taken the place of our file since is not ours to remove. */
START_TEST(not_ours_any_more)
{
    struct stat status;
    int fd;

    opens();
    unlink(path);
    fd = bind_to(path);
    listener_unlink(&sockets.pool);
    ck_assert_int_eq(lstat(path, &status), 0);
    close(fd);
}
END_TEST

START_TEST(addresses)
{
    static const char *const bad[] = {"127.0.0.1:x", "example.net:80", "127.0.0.1", "x:1", ":1x"};
    char name[160], other[160];
    struct sockets second;

    config.pool.listen = _i == 0 ? "127.0.0.1:0" : "localhost:0";
    opens();
    is_private(sockets.pool.fd);
    listener_name(&sockets.pool, name, sizeof name);
    ck_assert_int_eq(strncmp(name, "127.0.0.1:", 10), 0);
    ck_assert_str_ne(name, "127.0.0.1:0");
    snprintf(other, sizeof other, "%s", name);
    config.pool.listen = other;
    ck_assert_int_eq(sockets_open(&second, &config, error, sizeof error), -1);
    ck_assert_ptr_nonnull(strstr(error, "another process is serving it"));
    for (size_t i = 0; i < countof(bad); i++) {
        config.pool.listen = bad[i];
        refuses("is neither an absolute path");
    }
}
END_TEST

/* --- passed by systemd --- */

/*
 * Descriptors are passed from 3 on, where the check library has its own; so this happens in a
 * process that check knows nothing of, and its assertions cannot be used there.
 */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, error);                     \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void in_a_process_of_its_own(void (*run)(int), int row)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        run(row);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* Puts listeners at descriptors 3, 4 and 5 and says so. */
static void pass(int count, const char *names)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        /* An abstract name that the kernel chooses. */
        NEED(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
        NEED(listen(fd, 5) == 0);
        NEED(dup2(fd, 3 + i) == 3 + i);
        if (fd != 3 + i)
            close(fd);
    }
    snprintf(text, sizeof text, "%d", getpid());
    setenv("LISTEN_PID", text, 1);
    snprintf(text, sizeof text, "%d", count);
    setenv("LISTEN_FDS", text, 1);
    if (names != NULL)
        setenv("LISTEN_FDNAMES", names, 1);
    config.pool.listen = config.pool.ops_listen = "systemd";
}

static const struct {
    const char *names;
    int count, pool, ops;
} passed[] = {
    {"api:ops", 2, 3, 4},
    {"ops:api", 2, 4, 3},
    {"listen:api-ops", 2, 3, 4},
    {"auth:api:api-ops", 3, 4, 5},
    {NULL, 2, 3, 4},
};

static void take_passed(int row)
{
    for (int fd = 3; fd < 20; fd++)
        close(fd);
    pass(passed[row].count, passed[row].names);
    NEED(sockets_open(&sockets, &config, error, sizeof error) == 0);
    NEED(sockets.pool.fd == passed[row].pool);
    NEED(sockets.ops.fd == passed[row].ops);
    NEED(fcntl(sockets.pool.fd, F_GETFL) & O_NONBLOCK);
    NEED(fcntl(sockets.pool.fd, F_GETFD) & FD_CLOEXEC);
    NEED(getenv("LISTEN_PID") == NULL);
    NEED(getenv("LISTEN_FDS") == NULL);
    NEED(getenv("LISTEN_FDNAMES") == NULL);
    for (int fd = 3; fd < 20; fd++)
        NEED((fcntl(fd, F_GETFD) >= 0) == (fd == passed[row].pool || fd == passed[row].ops));
}

START_TEST(systemd)
{
    in_a_process_of_its_own(take_passed, _i);
}
END_TEST

static void need_refusal(const char *why)
{
    NEED(sockets_open(&sockets, &config, error, sizeof error) == -1);
    NEED(strstr(error, why) != NULL);
}

static void take_wrong(int row)
{
    (void)row;
    for (int fd = 3; fd < 20; fd++)
        close(fd);
    config.pool.listen = "systemd";
    need_refusal("systemd passed no socket to this process");
    pass(2, "web:ops");
    need_refusal("no socket named api or listen");
    NEED(getenv("LISTEN_FDS") == NULL);
    pass(1, "api");
    need_refusal("no socket named api-ops or ops");
    pass(1, "api");
    setenv("LISTEN_PID", "1", 1);
    need_refusal("systemd passed no socket to this process");
    pass(1, "api");
    close(3);
    NEED(open("/dev/null", O_RDONLY) == 3);
    need_refusal("descriptor 3 is not a listening stream socket");
}

START_TEST(systemd_wrong)
{
    in_a_process_of_its_own(take_wrong, 0);
}
END_TEST

START_TEST(standard_input)
{
    struct stat status;
    int fd;

    config.pool.listen = "fd:0";
    ck_assert_int_eq(dup2(open("/dev/null", O_RDONLY), 0), 0);
    refuses("standard input is not a listening");
    fd = bind_to(path);
    ck_assert_int_eq(dup2(fd, 0), 0);
    close(fd);
    opens();
    ck_assert_int_gt(sockets.pool.fd, 2);
    is_private(sockets.pool.fd);
    ck_assert_int_eq(fstat(0, &status), 0);
    ck_assert(!S_ISSOCK(status.st_mode));
    /* spawn-fcgi made the file: it stays. */
    listener_unlink(&sockets.pool);
    ck_assert_int_eq(lstat(path, &status), 0);
}
END_TEST

/* --- the queue --- */

START_TEST(queue_of_a_path)
{
    uint32_t queued = 99, limit = 99;

    opens();
    for (uint32_t i = 0; i <= 8; i++) {
        ck_assert_int_eq(sockdiag_queue(sockets.pool.fd, &queued, &limit), 0);
        ck_assert_uint_eq(queued, i);
        ck_assert_uint_eq(limit, 7);
        if (i < 8)
            ck_assert_int_ge(connect_to(path), 0);
    }
    ck_assert_int_eq(connect_to(path), -1);
    ck_assert_int_ge(accept(sockets.pool.fd, NULL, NULL), 0);
    ck_assert_int_eq(sockdiag_unix_queue(sockets.pool.fd, &queued, &limit), 0);
    ck_assert_uint_eq(queued, 7);
}
END_TEST

START_TEST(queue_of_an_address)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    uint32_t queued = 99, limit = 99;

    config.pool.listen = "127.0.0.1:0";
    opens();
    ck_assert_int_eq(getsockname(sockets.pool.fd, (struct sockaddr *)&address, &length), 0);
    for (uint32_t i = 0; i < 5; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        ck_assert_int_eq(sockdiag_queue(sockets.pool.fd, &queued, &limit), 0);
        ck_assert_uint_eq(queued, i);
        ck_assert_uint_eq(limit, 7);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    }
}
END_TEST

START_TEST(queue_of_nothing)
{
    uint32_t queued, limit;

    ck_assert_int_eq(sockdiag_queue(-1, &queued, &limit), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(sockdiag_queue(open("/dev/null", O_RDONLY), &queued, &limit), -1);
    ck_assert_int_eq(errno, ENOTSOCK);
    ck_assert_int_eq(sockdiag_unix_queue(open("/dev/null", O_RDONLY), &queued, &limit), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* --- systemd is told --- */

/* A socket as systemd has one; `abstract` ones have no file. */
static int listen_for_notices(bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t length;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    setenv("NOTIFY_SOCKET", path, 1);
    if (abstract) {
        address.sun_path[0] = '\0';
        path[0] = '@';
        setenv("NOTIFY_SOCKET", path, 1);
    }
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

START_TEST(notices)
{
    int fd = listen_for_notices(_i == 1);
    char got[2048];
    ssize_t length;

    setenv("WATCHDOG_USEC", "3000000", 1);
    unsetenv("WATCHDOG_PID");
    notify_open();
    ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
    ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    ck_assert_int_eq(notify_watchdog_us(), 1500000);
    notify_send("READY=1\nSTATUS=%d workers", 2);
    length = recv(fd, got, sizeof got, 0);
    ck_assert_int_gt(length, 0);
    got[length] = '\0';
    ck_assert_str_eq(got, "READY=1\nSTATUS=2 workers");
    ck_assert_int_eq(recv(fd, got, sizeof got, 0), -1);
    notify_send("STATUS=%2000d", 1);
    ck_assert_int_eq(recv(fd, got, sizeof got, 0), 1023);
    close(fd);
    notify_send("nobody listens");
}
END_TEST

START_TEST(no_notices)
{
    static const char *const sockets_of_nobody[] = {"", "relative", "/", "@", "vsock:2:1"};

    unsetenv("NOTIFY_SOCKET");
    notify_open();
    notify_send("READY=1");
    for (size_t i = 0; i < countof(sockets_of_nobody); i++) {
        setenv("NOTIFY_SOCKET", sockets_of_nobody[i], 1);
        setenv("WATCHDOG_USEC", "3000000", 1);
        notify_open();
        ck_assert_int_eq(notify_watchdog_us(), 0);
        notify_send("READY=1");
    }
    setenv("NOTIFY_SOCKET", "/nonexistent", 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open();
    ck_assert_int_eq(notify_watchdog_us(), 0);
    notify_send("READY=1");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("sockets");
    Suite *suite = suite_create("pool_sockets");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 30);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, two_paths);
    tcase_add_test(tests, group);
    tcase_add_test(tests, stale_is_replaced);
    tcase_add_test(tests, alive_is_respected);
    tcase_add_test(tests, all_or_nothing);
    tcase_add_test(tests, in_the_way);
    tcase_add_test(tests, locked);
    tcase_add_test(tests, not_ours_any_more);
    tcase_add_loop_test(tests, addresses, 0, 2);
    tcase_add_loop_test(tests, systemd, 0, countof(passed));
    tcase_add_test(tests, systemd_wrong);
    tcase_add_test(tests, standard_input);
    tcase_add_test(tests, queue_of_a_path);
    tcase_add_test(tests, queue_of_an_address);
    tcase_add_test(tests, queue_of_nothing);
    tcase_add_loop_test(tests, notices, 0, 2);
    tcase_add_test(tests, no_notices);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
