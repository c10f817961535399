/*
 * sockets.h: the listening sockets of a pool: its own and that of the ops worker. Where they come
 * from is `pool.listen` and `pool.ops_listen`: bound here (a path or HOST:PORT), passed by systemd
 * (LISTEN_FDS, by name), or fd 0 as spawn-fcgi passes it. All are non-blocking and close-on-exec.
 */
#ifndef POOL_SOCKETS_H
#define POOL_SOCKETS_H

#include "base/config.h"
#include <sys/un.h>

struct listener {
    int fd; /* -1: none */
    /* The socket file made here, to be removed at the end; empty: none. */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    dev_t device;
    ino_t inode;
};

struct sockets {
    struct listener pool;
    struct listener ops;
};

/*
 * Opens both. Systemd's variables are removed from the environment, and descriptors passed but not
 * asked for are closed. -1 on an error, with one line for people in `error`; nothing is left open
 * then.
 */
int sockets_open(struct sockets *sockets, const struct config *config, char *error, size_t size);

/* Closes the descriptor only. Harmless when there is none. */
void listener_close(struct listener *listener);

/* Removes the socket file, if this process made it and it has not been replaced since. */
void listener_unlink(struct listener *listener);

/* Where it listens, for the log: "/run/pets/api.sock", "127.0.0.1:9000". */
void listener_name(const struct listener *listener, char *name, size_t size);

#endif
