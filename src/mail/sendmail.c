/*
 * sendmail.c: the fence of posix_spawn: the one place where a program is started. The message lies
 * in a file in memory, so nobody waits for a pipe to be read; what the program says is not kept, as
 * it may name the recipient. Its exit status (sysexits.h) is all that counts.
 */
#include "mail/sendmail.h"
#include "base/base.h"

#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>

static enum delivery report(enum delivery delivery, const char *what, char *error, size_t size)
{
    snprintf(error, size, "sendmail: %s", what);
    return delivery;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written == -1 && errno != EINTR)
            return -1;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* The message as a file, with the line ends of Unix; every CR is one of CR LF. -1 with errno. */
static int message_file(const char *bytes, size_t length)
{
    int fd = memfd_create("message", MFD_CLOEXEC);
    const char *end = bytes + length;

    if (fd == -1)
        return -1;
    while (bytes < end) {
        const char *stop = memchr(bytes, '\r', (size_t)(end - bytes));

        stop = stop == NULL ? end : stop;
        if (write_all(fd, bytes, (size_t)(stop - bytes)) != 0) {
            close(fd);
            return -1;
        }
        bytes = stop + (stop < end);
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* A process group of its own, so that all of it can be ended; signals as they are by default. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    return posix_spawnattr_setflags(
               attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) |
           posix_spawnattr_setpgroup(attributes, 0) |
           posix_spawnattr_setsigmask(attributes, &none) |
           posix_spawnattr_setsigdefault(attributes, &all);
}

/* The pid, or -1 with errno. */
static pid_t start(const struct config *config, const char *to, int message)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char locale[] = "LC_ALL=C";
    char *environment[] = {path, locale, NULL};
    const char *arguments[] = {
        config->mail.sendmail_path, "-i", "-f", config->mail.from, "--", to, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    errno = posix_spawn_file_actions_adddup2(&actions, message, STDIN_FILENO) |
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) |
            posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) |
            set_attributes(&attributes);
    if (errno == 0)
        errno = posix_spawn(
            &pid, arguments[0], &actions, &attributes, (char *const *)arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return errno == 0 ? pid : -1;
}

/* Whether it ended in time; its status as of waitpid. */
static bool wait_for(pid_t pid, int timeout_s, int *status)
{
    struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
    int64_t until_us = base_now_us() + (int64_t)timeout_s * 1000000;
    int64_t left_us = until_us - base_now_us();
    int ready = 0;

    while (end.fd != -1 && left_us > 0 && (ready = poll(&end, 1, (int)(left_us / 1000) + 1)) <= 0)
        left_us = until_us - base_now_us();
    if (ready <= 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) == -1 && errno == EINTR)
        ;
    if (end.fd != -1)
        close(end.fd);
    return ready > 0;
}

static enum delivery judge(int status, char *error, size_t size)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    switch (code) {
    case EX_OK:
        return DELIVERY_TAKEN;
    case EX_DATAERR:
    case EX_NOUSER:
    case EX_NOHOST:
        snprintf(error, size, "sendmail: refused, exit status %d", code);
        return DELIVERY_REFUSED;
    case -1:
        return report(DELIVERY_LATER, "ended by a signal", error, size);
    default:
        snprintf(error, size, "sendmail: exit status %d", code);
        return DELIVERY_LATER;
    }
}

enum delivery sendmail_deliver(const struct config *config, const char *to, const char *bytes,
    size_t length, char *error, size_t size)
{
    int message = message_file(bytes, length);
    int status = 0;
    pid_t pid;

    if (message == -1)
        return report(DELIVERY_AWAY, strerror(errno), error, size);
    pid = start(config, to, message);
    close(message);
    if (pid == -1)
        return report(DELIVERY_AWAY, strerror(errno), error, size);
    if (!wait_for(pid, config->mail.timeout_s, &status))
        return report(DELIVERY_AWAY, "killed after mail.timeout_s", error, size);
    return judge(status, error, size);
}
