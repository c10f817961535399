/*
 * worker.h: the life of one worker process as the master and the loop see it: ready, leaving, gone.
 * What a worker serves is decided by the function given to master_run; this file knows nothing of
 * HTTP or databases.
 *
 * Signals of a worker: QUIT drain and leave; TERM leave as soon as the requests in flight are
 * answered; USR1 reopen the log. All are blocked and read through a signalfd in the loop, so it
 * does no harm when a library installs handlers for them. SIGALRM ticks the guard (below).
 */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "base/config.h"
#include "pool/loop.h"
#include "pool/scoreboard.h"

enum worker_exit {
    WORKER_EXIT_OK = 0,
    WORKER_EXIT_FAILED = 1,
    WORKER_EXIT_CONFIG = 78, /* a secret or key cannot be read: EX_CONFIG of sysexits.h */
};

struct worker {
    const struct config *config; /* borrowed */
    struct scoreboard *scoreboard;
    struct slot *slot; /* this worker's own */
    enum worker_kind kind;
    int listen_fd;      /* non-blocking, shared with the other workers of its kind */
    int pool_listen_fd; /* ops worker: the pool's listening socket, to look at its queue; else -1 */
    int permits_fd;     /* permits.h; -1 in the ops worker */
    struct loop *loop;
    /*
     * Called when the worker is asked to leave: first, with `now` false, it accepts what is queued
     * already, stops accepting (loop_remove; worker.c closes listen_fd afterwards) and lets kept
     * connections end. With `now` true, which may also come first or alone, it does not wait for
     * kept connections that are idle. Calls worker_done, now or later. NULL: leaves at once.
     */
    void (*on_leave)(struct worker *worker, bool now);
    void *context; /* for on_leave */
    bool leaving;
};

/* The body of a worker: sets up what it serves, calls worker_ready when it can serve, runs
 * worker->loop. */
typedef enum worker_exit worker_main(struct worker *worker);

/* Tells the master that this worker serves. Later calls do nothing. */
void worker_ready(struct worker *worker);

/* Asks the master for a replacement (max_requests); the worker goes on serving until it is told to
 * leave. */
void worker_retire(struct worker *worker);

/* Nothing is left to serve: ends the loop, and with it the process. */
void worker_done(struct worker *worker);

/*
 * For the master, in the forked child: runs `body` with its loop, signals and guard set up, and
 * returns what it returned. `lifeline` is a stream socket whose other end only the master holds: a
 * byte sent there nudges the master, end of file means that it is gone. The worker then leaves as
 * after QUIT, keeping the master's time limits itself.
 */
enum worker_exit worker_run(struct worker *worker, worker_main *body, int lifeline);

/*
 * The guard: bounds how long one descriptor may hold the loop in a blocking read or write of a
 * library. Between guard_enter and guard_leave, when `limit_ms` have passed, the descriptor is shut
 * down (shutdown(2)), so that the blocked call returns; at most GUARD_TICK_MS late. A periodic
 * SIGALRM (restarting system calls) checks it: no system call a request. guard_leave returns true
 * when the guard struck. Never set SO_RCVTIMEO or SO_SNDTIMEO on such a descriptor: Linux does not
 * restart calls on a socket that has one, so the tick would break innocents with EINTR.
 */
enum { GUARD_TICK_MS = 200 };
void guard_enter(int fd, int limit_ms);
bool guard_leave(void);

/* Starts the ticking, for the calling thread; worker_run does that. 0, or -1 with errno. */
int guard_start(void);

#endif
