/*
 * echo.c: the least that can stand behind nginx and speak FastCGI through libfcgi: it answers every
 * request with the same body. What a worker does slower than this, it does itself or waits for the
 * database. It is as a worker is (one process a core, kept connections, one epoll loop, the same
 * fence around the library), because a loop that accepts and blocks would starve all connections
 * but one, and would measure that.
 *
 *   echo SOCKET PROCESSES BYTES
 *
 * The processes end with the first one. A process that has more connections than another leaves the
 * next one to it.
 */
#include "base/base.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sched.h>

#include "http/fastcgi.h"

enum { PROCESSES_MAX = 64, BACKLOG = 511, BATCH = 64, LIMIT_MS = 1000, BODY_MAX = 65536 };

struct echo {
    int epoll;
    int listener;
    int number; /* of this process */
    int processes;
    _Atomic int *connections; /* of each process; shared */
    struct arena *arena;
    char head[256];
    size_t head_length;
    char body[BODY_MAX];
    size_t body_length;
};

struct connection {
    int fd;
    struct fastcgi *fastcgi;
};

static void fail(const char *what)
{
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path)
        errno = ENAMETOOLONG;
    else if (fd >= 0) {
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
    }
    fail(path);
    return -1;
}

static void watch(const struct echo *echo, int fd, void *object)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = object};

    if (epoll_ctl(echo->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

static bool over_share(const struct echo *echo)
{
    int mine = echo->connections[echo->number];

    for (int i = 0; i < echo->processes; i++)
        if (echo->connections[i] < mine)
            return true;
    return false;
}

static void accept_one(struct echo *echo)
{
    struct connection *connection;
    int fd;

    /* The listener stays readable, so this is asked again until the other one has come. */
    if (over_share(echo)) {
        sched_yield();
        return;
    }
    fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    connection = malloc(sizeof *connection);
    if (connection == NULL)
        fail("malloc");
    connection->fd = fd;
    connection->fastcgi = fastcgi_new(fd);
    echo->connections[echo->number]++;
    watch(echo, fd, connection);
}

static void serve(struct echo *echo, struct connection *connection)
{
    struct fastcgi_body body;

    if (fastcgi_read(connection->fastcgi, echo->arena, BODY_MAX, &body, LIMIT_MS) ==
            FASTCGI_REQUEST &&
        fastcgi_answer(connection->fastcgi, echo->head, echo->head_length, echo->body,
            echo->body_length, LIMIT_MS)) {
        arena_reset(echo->arena);
        return;
    }
    arena_reset(echo->arena);
    fastcgi_free(connection->fastcgi);
    free(connection);
    echo->connections[echo->number]--;
}

static void run(struct echo *echo)
{
    struct epoll_event batch[BATCH];

    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (echo->epoll < 0 || fastcgi_init() != 0)
        fail("epoll_create1");
    echo->arena = arena_new(BODY_MAX);
    watch(echo, echo->listener, NULL);
    for (;;) {
        int count = epoll_wait(echo->epoll, batch, BATCH, -1);

        for (int i = 0; i < count; i++) {
            if (batch[i].data.ptr == NULL)
                accept_one(echo);
            else
                serve(echo, batch[i].data.ptr);
        }
    }
}

static void fill(struct echo *echo, size_t bytes)
{
    echo->body_length = MIN(bytes, sizeof echo->body);
    memset(echo->body, 'x', echo->body_length);
    echo->head_length = (size_t)snprintf(echo->head, sizeof echo->head,
        "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nETag: "
        "\"1\"\r\n\r\n",
        echo->body_length);
}

int main(int argc, char **argv)
{
    static struct echo echo;

    if (argc != 4) {
        fputs("usage: echo SOCKET PROCESSES BYTES\n", stderr);
        return 2;
    }
    echo.processes = (int)MAX(1, MIN(strtol(argv[2], NULL, 10), PROCESSES_MAX));
    fill(&echo, strtoul(argv[3], NULL, 10));
    echo.listener = listen_at(argv[1]);
    echo.connections = mmap(NULL, sizeof *echo.connections * PROCESSES_MAX, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (echo.connections == MAP_FAILED)
        fail("mmap");
    for (echo.number = echo.processes - 1; echo.number > 0; echo.number--) {
        pid_t pid = fork();

        if (pid < 0)
            fail("fork");
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            break;
        }
    }
    run(&echo);
}
