/*
 * master.h: the parent of all workers of a pool. See master.c for the signals and the life of a
 * generation.
 */
#ifndef POOL_MASTER_H
#define POOL_MASTER_H

#include "pool/worker.h"

/* What the master needs to name things in its log. */
struct master_names {
    const char *(*route)(unsigned route);
    const char *(*statement)(int statement);
};

/*
 * Runs the pool configured in `config` (owned by the master from here on; HUP reads its path again)
 * until it is told to stop. Returns the exit status of the program. In a forked worker it runs
 * `body` and exits.
 */
int master_run(struct config *config, worker_main *body, const struct master_names *names);

#endif
