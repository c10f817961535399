/*
 * sockdiag.h: how many connections wait in the queue of a listening socket. A full queue is an
 * instant 502 in nginx, so operators want to see it fill. Errors are reported and never fatal.
 */
#ifndef POOL_SOCKDIAG_H
#define POOL_SOCKDIAG_H

#include "base/base.h"

/* Of a Unix or TCP listener: connections waiting, and how many may. 0, or -1 with errno. */
int sockdiag_queue(int listen_fd, uint32_t *queued, uint32_t *limit);

/* The same, of a Unix listener only. */
int sockdiag_unix_queue(int listen_fd, uint32_t *queued, uint32_t *limit);

#endif
