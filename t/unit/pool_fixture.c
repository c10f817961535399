/*
 * pool_fixture.c: the toy workers behave as real ones do where it matters: they keep connections,
 * take what is queued before they leave, and end when the last connection has ended.
 */
#include "pool_fixture.h"
#include "base/log.h"
#include "base/secret.h"
#include "place.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 30000 };

/* --- the worker --- */

struct peer {
    struct watch watch;
    struct peer *next;
};

static struct {
    struct worker *worker;
    struct watch listener;
    struct peer *peers;
    bool deaf;
} toy;

static void close_peer(struct peer *peer)
{
    struct peer **link = &toy.peers;
    int fd = peer->watch.fd;

    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    loop_remove(toy.worker->loop, &peer->watch);
    close(fd);
    loop_later(toy.worker->loop, free, peer);
    if (toy.worker->leaving && toy.peers == NULL && !toy.deaf)
        worker_done(toy.worker);
}

static void list_descriptors(char *answer, size_t size)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t length = 0;

    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char target[128];
        ssize_t got = readlinkat(dirfd(directory), entry->d_name, target, sizeof target);

        if (got < 0 || strtol(entry->d_name, NULL, 10) == dirfd(directory))
            continue;
        length += (size_t)snprintf(
            answer + length, size - length, "%s:%.*s ", entry->d_name, (int)got, target);
    }
    closedir(directory);
}

static void begin_request(const char *id)
{
    struct slot *slot = toy.worker->slot;
    int entry = slot_begin(slot, base_now_us());

    slot_request(slot, entry, id, 2);
    slot_stage(slot, entry, STAGE_DATABASE, base_now_us());
    slot_database(slot, entry, 1, 4711);
}

static void obey(const char *command, char *answer, size_t size)
{
    struct slot *slot = toy.worker->slot;
    struct totals sum;

    snprintf(answer, size, "done");
    if (strcmp(command, "who") == 0)
        snprintf(answer, size, "%d %u %u", getpid(), slot->generation, slot->kind);
    else if (strcmp(command, "fds") == 0)
        list_descriptors(answer, size);
    else if (strncmp(command, "begin ", 6) == 0)
        begin_request(command + 6);
    else if (strcmp(command, "retire") == 0)
        worker_retire(toy.worker);
    else if (strcmp(command, "deaf") == 0)
        toy.deaf = true;
    else if (strcmp(command, "crash") == 0)
        signal(SIGSEGV, SIG_DFL), kill(getpid(), SIGSEGV);
    else if (strncmp(command, "exit ", 5) == 0)
        _exit((int)strtol(command + 5, NULL, 10));
    else if (strcmp(command, "hang") == 0)
        for (;;)
            pause();
    else if (strncmp(command, "count ", 6) == 0)
        for (long n = strtol(command + 6, NULL, 10); n > 0; n--)
            slot_count(slot, COUNTER_HASHES);
    else if (strcmp(command, "totals") == 0) {
        scoreboard_totals(toy.worker->scoreboard, &sum);
        snprintf(answer, size, "%" PRIu64, sum.counters[COUNTER_HASHES]);
    }
}

static void on_peer(struct watch *watch, uint32_t events)
{
    struct peer *peer = container_of(watch, struct peer, watch);
    char command[256], answer[2048];
    ssize_t length = read(watch->fd, command, sizeof command - 1);

    (void)events;
    if (length <= 0) {
        close_peer(peer);
        return;
    }
    command[length - 1] = '\0';
    obey(command, answer, sizeof answer - 1);
    strncat(answer, "\n", 2);
    (void)!write(watch->fd, answer, strlen(answer));
}

static void on_listener(struct watch *watch, uint32_t events)
{
    int fd;

    (void)events;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = calloc(1, sizeof *peer);

        *peer = (struct peer){.watch = {fd, on_peer, 0}, .next = toy.peers};
        toy.peers = peer;
        loop_add(toy.worker->loop, &peer->watch, EPOLLIN);
    }
}

static void on_leave(struct worker *worker, bool now)
{
    if (toy.deaf)
        return;
    if (toy.listener.fd >= 0)
        on_listener(&toy.listener, 0);
    loop_remove(worker->loop, &toy.listener);
    while (now && toy.peers != NULL)
        close_peer(toy.peers);
    if (toy.peers == NULL)
        worker_done(worker);
}

/* The secret decides how it starts: missing, or "slow", or "crash". */
static enum worker_exit toy_main(struct worker *worker)
{
    char error[256];
    char *secret = secret_read_line(worker->config->database.password_file, error, sizeof error);
    bool slow = secret != NULL && strcmp(secret, "slow") == 0;
    bool crash = secret != NULL && strcmp(secret, "crash") == 0;

    if (secret == NULL) {
        log_event(LEVEL_ERROR, "secret_unreadable", log_str("detail", error));
        return WORKER_EXIT_CONFIG;
    }
    secret_free(secret, strlen(secret));
    if (crash)
        return WORKER_EXIT_FAILED;
    toy.worker = worker;
    toy.listener = (struct watch){worker->listen_fd, on_listener, 0};
    worker->on_leave = on_leave;
    if (loop_add(worker->loop, &toy.listener, EPOLLIN) != 0)
        return WORKER_EXIT_FAILED;
    if (!slow)
        worker_ready(worker);
    return loop_run(worker->loop) == 0 ? WORKER_EXIT_OK : WORKER_EXIT_FAILED;
}

static const char *route_name(unsigned route)
{
    return route == 2 ? "GET /toys" : NULL;
}

static const char *statement_name(int statement)
{
    return statement == 1 ? "toy_list" : NULL;
}

/* --- the test's side --- */

/* In one step, for whoever may be reading. */
static void write_text(const char *path, const char *text)
{
    char draft[128];
    FILE *file;

    snprintf(draft, sizeof draft, "%s.draft", path);
    file = fopen(draft, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(draft, 0600), 0);
    ck_assert_int_eq(rename(draft, path), 0);
}

void fixture_configure(
    struct fixture *fixture, int workers, const char *pool_lines, const char *more_lines)
{
    char text[2048];

    snprintf(text, sizeof text,
        "[pool]\nname = api\nworkers = %d\nlisten = %s\nops_listen = %s\n%s\n"
        "[token]\nissuer = x\npublic_keys_dir = /x\n[http]\ncursor_key_file = "
        "/x\n[database]\npassword_file = %s\n"
        "statement_timeout_ms = 1\n[log]\nlevel = debug\nfile = %s\n%s\n",
        workers, fixture->socket, fixture->ops_socket, pool_lines, fixture->secret, fixture->log,
        more_lines);
    write_text(fixture->config, text);
}

/* Systemd's end of the notifications. */
static void listen_for_notices(struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fixture->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", fixture->notify);
    ck_assert_int_eq(bind(fixture->notify_fd, (struct sockaddr *)&address, sizeof address), 0);
}

void fixture_init(struct fixture *fixture, int workers)
{
    memset(fixture, 0, sizeof *fixture);
    place(fixture->directory, sizeof fixture->directory, "pool_master");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
#define IN_DIRECTORY(member, name)                                                                 \
    snprintf(fixture->member, sizeof fixture->member, "%s/" name, fixture->directory)
    IN_DIRECTORY(config, "pool.ini");
    IN_DIRECTORY(socket, "pool.sock");
    IN_DIRECTORY(ops_socket, "ops.sock");
    IN_DIRECTORY(log, "log");
    IN_DIRECTORY(notify, "notify.sock");
    IN_DIRECTORY(secret, "secret");
    write_text(fixture->secret, "sesame\n");
    fixture_configure(fixture, workers, "", "");
    listen_for_notices(fixture);
}

void fixture_free(struct fixture *fixture)
{
    DIR *directory = opendir(fixture->directory);
    char path[400];

    if (fixture->master > 0) {
        kill(fixture->master, SIGKILL);
        waitpid(fixture->master, NULL, 0);
    }
    close(fixture->notify_fd);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", fixture->directory, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    rmdir(fixture->directory);
}

/* As a program of its own would begin: without descriptors or children of the test's. */
_Noreturn static void run_master(const struct fixture *fixture)
{
    static const struct master_names names = {route_name, statement_name};
    struct config *config;
    char error[512];

    config = config_read(fixture->config, error, sizeof error);
    if (config == NULL) {
        fprintf(stderr, "%s\n", error);
        _exit(2);
    }
    close_range(3, ~0U, 0);
    setenv("NOTIFY_SOCKET", fixture->notify, 1);
    unsetenv("WATCHDOG_PID");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    exit(master_run(config, toy_main, &names));
}

void fixture_start(struct fixture *fixture, const char *event)
{
    fixture->master = fork();
    ck_assert_int_ge(fixture->master, 0);
    if (fixture->master == 0)
        run_master(fixture);
    if (event != NULL)
        fixture_expect(fixture, event);
}

void fixture_signal(const struct fixture *fixture, int signal)
{
    ck_assert_int_eq(kill(fixture->master, signal), 0);
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

int fixture_wait(struct fixture *fixture)
{
    int64_t until = base_now_us() + PATIENCE_MS * INT64_C(1000);
    int status;

    while (waitpid(fixture->master, &status, WNOHANG) == 0) {
        ck_assert_msg(base_now_us() < until, "the master does not end");
        pause_ms(5);
    }
    fixture->master = 0;
    return status;
}

/* The next whole line after what was seen, or NULL. */
static const char *next_line(struct fixture *fixture)
{
    static char line[8192];
    FILE *file = fopen(fixture->log, "r");
    const char *found = NULL;

    if (file == NULL)
        return NULL;
    if (fseek(file, fixture->log_seen, SEEK_SET) == 0 && fgets(line, sizeof line, file) != NULL &&
        strchr(line, '\n') != NULL) {
        fixture->log_seen = ftell(file);
        found = line;
    }
    fclose(file);
    return found;
}

const char *fixture_expect(struct fixture *fixture, const char *event)
{
    int64_t until = base_now_us() + PATIENCE_MS * INT64_C(1000);
    char wanted[64];

    snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", event);
    while (base_now_us() < until) {
        const char *line = next_line(fixture);

        if (line == NULL)
            pause_ms(5);
        else if (strstr(line, wanted) != NULL)
            return line;
    }
    ck_abort_msg("no event %s in the log", event);
    return NULL;
}

int fixture_count(const struct fixture *fixture, const char *part)
{
    char line[8192];
    FILE *file = fopen(fixture->log, "r");
    int count = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, part) != NULL;
    fclose(file);
    return count;
}

static bool readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, PATIENCE_MS) == 1;
}

const char *fixture_notice(const struct fixture *fixture)
{
    static char message[2048];
    ssize_t length;

    if (!readable(fixture->notify_fd))
        return NULL;
    length = recv(fixture->notify_fd, message, sizeof message - 1, 0);
    message[MAX(length, 0)] = '\0';
    return message;
}

int fixture_connect(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

const char *fixture_ask(int fd, const char *command)
{
    static char answer[4096];
    char line[300];
    ssize_t length;

    snprintf(line, sizeof line, "%s\n", command);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        return NULL;
    ck_assert_msg(readable(fd), "no answer to %s", command);
    length = recv(fd, answer, sizeof answer - 1, 0);
    if (length <= 0)
        return NULL;
    answer[length - 1] = '\0';
    return answer;
}

const char *fixture_ask_anew(const struct fixture *fixture, const char *command)
{
    int fd = fixture_connect(fixture->socket);
    const char *answer;

    ck_assert_int_ge(fd, 0);
    answer = fixture_ask(fd, command);
    close(fd);
    return answer;
}
