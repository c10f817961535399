/*
 * notify.h: tells systemd how the pool does (the protocol of sd_notify(3)): datagrams of
 * VARIABLE=value lines to the socket named in $NOTIFY_SOCKET. Without one, nothing happens;
 * failures are nobody's business but systemd's and are ignored.
 */
#ifndef POOL_NOTIFY_H
#define POOL_NOTIFY_H

#include "base/base.h"

/*
 * Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID once, and removes them from the
 * environment.
 */
void notify_open(void);

/* Sends the lines, separated by \n: "READY=1\nSTATUS=serving". */
void notify_send(const char *format, ...) PRINTF_LIKE(1, 2);

/* How often WATCHDOG=1 is due, microseconds: half of what systemd demands. 0: not at all. */
int64_t notify_watchdog_us(void);

#endif
