/*
 * sockets.c: a socket file is made so that at no moment more people can use it than shall: it is
 * bound with mode 0600, gets its group and mode, and listens last. What lies at its path already is
 * asked first: whoever refuses connections is dead and is removed, whoever accepts is alive and is
 * left alone. A lock on the directory keeps two masters from doing all this at once, each taking
 * the other's not yet listening socket for a dead one.
 */
#include "pool/sockets.h"
#include "base/base.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { FIRST_PASSED_FD = 3, LOCK_TRIES = 50, LOCK_PAUSE_MS = 20 };

/* What one listener shall be, and where messages about it go. */
struct request {
    const char *option; /* "pool.listen" */
    const char *listen;
    const char *group;
    int mode;
    int backlog;
    char *error;
    size_t error_size;
};

static int fail(const struct request *request, const char *format, ...) PRINTF_LIKE(2, 3);
static int fail(const struct request *request, const char *format, ...)
{
    va_list values;
    int length = snprintf(
        request->error, request->error_size, "%s = %s: ", request->option, request->listen);

    if (length < 0 || (size_t)length >= request->error_size)
        return -1;
    va_start(values, format);
    vsnprintf(request->error + length, request->error_size - (size_t)length, format, values);
    va_end(values);
    return -1;
}

/* --- what every listener must be --- */

static int int_option(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

static int make_private(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* A descriptor that somebody else made. */
static int adopt(const struct request *request, struct listener *listener, int fd)
{
    if (int_option(fd, SO_TYPE) != SOCK_STREAM || int_option(fd, SO_ACCEPTCONN) != 1)
        return fail(request, "descriptor %d is not a listening stream socket", fd);
    if (make_private(fd) != 0)
        return fail(request, "%s", strerror(errno));
    listener->fd = fd;
    return 0;
}

/* --- fd 0 --- */

/* Moved away, so that nothing takes it for standard input. */
static int open_fd_0(const struct request *request, struct listener *listener)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_PASSED_FD);
    int null;

    if (fd < 0)
        return fail(request, "%s", strerror(errno));
    if (adopt(request, listener, fd) != 0) {
        close(fd);
        return fail(request, "standard input is not a listening stream socket");
    }
    null = open("/dev/null", O_RDONLY);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    return 0;
}

/* --- systemd --- */

/* Whether the name at `names` (up to ':' or the end) is that of the listener. */
static bool is_named(const char *names, const char *pool, bool ops)
{
    size_t length = strcspn(names, ":");
    char wanted[64];

    snprintf(wanted, sizeof wanted, "%s%s", pool, ops ? "-ops" : "");
    if (length == strlen(wanted) && strncmp(names, wanted, length) == 0)
        return true;
    snprintf(wanted, sizeof wanted, "%s", ops ? "ops" : "listen");
    return length == strlen(wanted) && strncmp(names, wanted, length) == 0;
}

/* How many descriptors were passed to this very process. */
static int count_passed(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != getpid())
        return 0;
    return (int)MIN(MAX(strtol(count, NULL, 10), 0), 64);
}

/* Without names the first descriptor is the pool's and the second that of its ops worker. */
static int find_passed(int count, const char *pool, bool ops)
{
    const char *names = getenv("LISTEN_FDNAMES");

    if (names == NULL)
        return count > (ops ? 1 : 0) ? FIRST_PASSED_FD + (ops ? 1 : 0) : -1;
    for (int i = 0; i < count; i++) {
        if (is_named(names, pool, ops))
            return FIRST_PASSED_FD + i;
        names += strcspn(names, ":");
        names += *names == ':' ? 1 : 0;
    }
    return -1;
}

static int open_passed(
    const struct request *request, struct listener *listener, const char *pool, bool ops)
{
    int count = count_passed();
    int fd = find_passed(count, pool, ops);

    if (count == 0)
        return fail(request, "systemd passed no socket to this process (LISTEN_FDS, LISTEN_PID)");
    if (fd < 0)
        return fail(request, "systemd passed no socket named %s%s or %s (LISTEN_FDNAMES)", pool,
            ops ? "-ops" : "", ops ? "ops" : "listen");
    return adopt(request, listener, fd);
}

/* After both listeners have taken theirs. */
static void forget_passed(const struct sockets *sockets)
{
    int count = count_passed();

    for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + count; fd++)
        if (fd != sockets->pool.fd && fd != sockets->ops.fd)
            close(fd);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

/* --- a path --- */

static int find_group(const struct request *request, gid_t *group)
{
    const struct group *entry;
    char *end;

    *group = (gid_t)-1;
    if (request->group[0] == '\0')
        return 0;
    *group = (gid_t)strtoul(request->group, &end, 10);
    if (*end == '\0')
        return 0;
    entry = getgrnam(request->group);
    if (entry == NULL)
        return fail(request, "there is no group %s", request->group);
    *group = entry->gr_gid;
    return 0;
}

/* The locked directory, to be closed after use; -1 with a message. */
static int lock_directory(const struct request *request)
{
    char directory[PATH_MAX];
    struct stat status;
    int length = (int)(strrchr(request->listen, '/') - request->listen);
    int fd;

    snprintf(directory, sizeof directory, "%.*s", MAX(length, 1), request->listen);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return fail(request, "the directory %s cannot be used: %s", directory, strerror(errno));
    if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
        close(fd);
        return fail(request, "anybody may replace files in the directory %s", directory);
    }
    for (int try = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; try++) {
        if (errno != EWOULDBLOCK || try == LOCK_TRIES) {
            close(fd);
            return fail(
                request, "the directory %s cannot be locked: %s", directory, strerror(errno));
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    return fd;
}

/* Removes what a dead process left behind; -1 with a message when something else is there. */
static int clear_path(const struct request *request, const struct sockaddr_un *address)
{
    struct stat status;
    int fd, error = 0;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : fail(request, "%s", strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return fail(request, "something that is not a socket is there already");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(request, "%s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        error = errno;
    close(fd);
    if (error == 0 || error == EAGAIN)
        return fail(request, "another process is serving it");
    if (error != ECONNREFUSED)
        return fail(request, "cannot tell whether it is in use: %s", strerror(error));
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return fail(request, "cannot remove the stale socket: %s", strerror(errno));
    return 0;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t mask = umask(0177);
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);

    umask(mask);
    return result;
}

/* What listener_unlink must find again. */
static void remember(struct listener *listener, const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return;
    snprintf(listener->path, sizeof listener->path, "%s", path);
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
}

static int bind_path(const struct request *request, struct listener *listener, gid_t group)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(request->listen) >= sizeof address.sun_path)
        return fail(request, "the path is longer than %zu bytes", sizeof address.sun_path - 1);
    memcpy(address.sun_path, request->listen, strlen(request->listen) + 1);
    if (clear_path(request, &address) != 0)
        return -1;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0 || bind_private(listener->fd, &address) != 0)
        return fail(request, "%s", strerror(errno));
    remember(listener, address.sun_path);
    if (group != (gid_t)-1 && lchown(address.sun_path, (uid_t)-1, group) != 0)
        return fail(request, "cannot give it to the group %s: %s", request->group, strerror(errno));
    if (chmod(address.sun_path, (mode_t)request->mode) != 0 ||
        listen(listener->fd, request->backlog) != 0)
        return fail(request, "%s", strerror(errno));
    return 0;
}

static int open_path(const struct request *request, struct listener *listener)
{
    gid_t group;
    int directory, result;

    if (find_group(request, &group) != 0)
        return -1;
    directory = lock_directory(request);
    if (directory < 0)
        return -1;
    result = bind_path(request, listener, group);
    close(directory);
    return result;
}

/* --- HOST:PORT --- */

/* Numeric addresses only (and localhost), so that no name service runs in the master. */
static struct addrinfo *resolve(const char *listen)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[128];
    const char *colon = strrchr(listen, ':');
    size_t length;

    if (colon == NULL)
        return NULL;
    length = (size_t)(colon - listen);
    if (length >= 2 && listen[0] == '[' && colon[-1] == ']')
        listen++, length -= 2;
    snprintf(host, sizeof host, "%.*s", (int)length, listen);
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof host, "127.0.0.1");
    return getaddrinfo(host, colon + 1, &hints, &found) == 0 ? found : NULL;
}

static int bind_address(
    const struct request *request, struct listener *listener, const struct addrinfo *address)
{
    const int on = 1;

    listener->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return fail(request, "%s", strerror(errno));
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(listener->fd, request->backlog) != 0)
        return fail(
            request, "%s", errno == EADDRINUSE ? "another process is serving it" : strerror(errno));
    return 0;
}

static int open_address(const struct request *request, struct listener *listener)
{
    struct addrinfo *address = resolve(request->listen);
    int result;

    if (address == NULL)
        return fail(request, "is neither an absolute path, ADDRESS:PORT, systemd nor fd:0");
    result = bind_address(request, listener, address);
    freeaddrinfo(address);
    return result;
}

/* --- exported --- */

static int open_one(
    const struct request *request, struct listener *listener, const char *pool, bool ops)
{
    if (request->listen[0] == '\0')
        return 0;
    if (strcmp(request->listen, "systemd") == 0)
        return open_passed(request, listener, pool, ops);
    if (strcmp(request->listen, "fd:0") == 0)
        return open_fd_0(request, listener);
    if (request->listen[0] == '/')
        return open_path(request, listener);
    return open_address(request, listener);
}

int sockets_open(struct sockets *sockets, const struct config *config, char *error, size_t size)
{
    const struct request pool = {"pool.listen", config->pool.listen, config->pool.listen_group,
        config->pool.listen_mode, config->pool.backlog, error, size};
    const struct request ops = {"pool.ops_listen", config->pool.ops_listen,
        config->pool.ops_listen_group, config->pool.ops_listen_mode, config->pool.backlog, error,
        size};
    int result;

    memset(sockets, 0, sizeof *sockets);
    sockets->pool.fd = sockets->ops.fd = -1;
    result = open_one(&pool, &sockets->pool, config->pool.name, false);
    if (result == 0)
        result = open_one(&ops, &sockets->ops, config->pool.name, true);
    forget_passed(sockets);
    if (result == 0)
        return 0;
    listener_unlink(&sockets->pool);
    listener_unlink(&sockets->ops);
    listener_close(&sockets->pool);
    listener_close(&sockets->ops);
    return -1;
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

void listener_unlink(struct listener *listener)
{
    struct stat status;

    if (listener->path[0] == '\0')
        return;
    if (lstat(listener->path, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        unlink(listener->path);
    listener->path[0] = '\0';
}

static void address_name(const struct sockaddr_storage *address, char *name, size_t size)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    char host[INET6_ADDRSTRLEN] = "";

    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(name, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(name, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

void listener_name(const struct listener *listener, char *name, size_t size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    const struct sockaddr_un *local = (const void *)&address;

    snprintf(name, size, "unknown");
    if (getsockname(listener->fd, (struct sockaddr *)&address, &length) != 0)
        return;
    if (address.ss_family != AF_UNIX)
        address_name(&address, name, size);
    else if (length > offsetof(struct sockaddr_un, sun_path) && local->sun_path[0] != '\0')
        snprintf(name, size, "%.*s", (int)sizeof local->sun_path, local->sun_path);
}
