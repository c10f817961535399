/*
 * notify.c: the protocol is one datagram, so it is written by hand, as systemd itself advises. The
 * socket is made for each message: there are few, and no descriptor is left for workers to inherit.
 */
#include "pool/notify.h"
#include "base/base.h"

#include <sys/socket.h>
#include <sys/un.h>

static struct {
    struct sockaddr_un address;
    socklen_t length; /* 0: nobody wants to know */
    int64_t watchdog_us;
} target;

/* "/path", or "@name" in the abstract namespace, whose first byte is really NUL. */
static void set_address(const char *path)
{
    size_t length = strlen(path);

    target.length = 0;
    if ((path[0] != '/' && path[0] != '@') || length < 2)
        return;
    if (length >= sizeof target.address.sun_path)
        return;
    target.address.sun_family = AF_UNIX;
    memcpy(target.address.sun_path, path, length + 1);
    target.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (path[0] == '@')
        target.address.sun_path[0] = '\0';
    else
        target.length++;
}

/* $WATCHDOG_PID, when set, says whom the demand is for. */
static int64_t read_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    long long demanded;

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != getpid()))
        return 0;
    demanded = strtoll(usec, NULL, 10);
    return demanded > 1 ? demanded / 2 : 0;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    set_address(path == NULL ? "" : path);
    target.watchdog_us = target.length > 0 ? read_watchdog() : 0;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_send(const char *format, ...)
{
    char message[1024];
    va_list values;
    int length, fd;

    if (target.length == 0)
        return;
    va_start(values, format);
    length = vsnprintf(message, sizeof message, format, values);
    va_end(values);
    if (length < 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, message, MIN((size_t)length, sizeof message - 1), MSG_NOSIGNAL | MSG_DONTWAIT,
        (const struct sockaddr *)&target.address, target.length);
    close(fd);
}

int64_t notify_watchdog_us(void)
{
    return target.watchdog_us;
}
