/*
 * children.h: the processes of the pool as their parent knows them: started, watched, asked to
 * leave, killed when they do not, and laid to rest with a line in the log for each request they
 * took with them. What they are for is generation.h's business. Private to the master.
 */
#ifndef POOL_CHILDREN_H
#define POOL_CHILDREN_H

#include "pool/master.h"
#include "pool/sockets.h"

enum child_phase {
    CHILD_FREE,
    CHILD_STARTING,
    CHILD_SERVING,
    CHILD_RETIRING, /* serving, wants a successor */
    CHILD_LEAVING,  /* has got QUIT */
    CHILD_ENDING,   /* has got TERM */
    CHILD_KILLED,   /* has got KILL */
};

/* One a slot of the scoreboard, at the same index. */
struct child {
    enum child_phase phase;
    pid_t pid;
    struct slot *slot;
    enum worker_kind kind;
    uint32_t generation;
    int64_t started_us;
    int64_t ready_us;   /* 0: never */
    int64_t told_us;    /* when the last signal was sent */
    enum ending ending; /* what its end will count as; set with the first signal */
    int start_timeout_ms, kill_timeout_ms, drain_timeout_ms, term_timeout_ms;
};

struct children {
    struct scoreboard *scoreboard;
    struct child *child;
    struct sockets *sockets;
    worker_main *body;
    const struct master_names *names;
    int lifeline[2];    /* the master's end and the workers' */
    int permits_fd;     /* for the workers (permits.h) */
    int64_t checked_us; /* the last check */
    int64_t grace_us;   /* nothing before this is held against a worker */
};

/* How a child ended. */
struct child_end {
    struct child *child; /* free again: only good for comparing */
    struct child was;    /* as it was */
    int status;          /* of waitpid */
    char why[96];        /* "was killed by SIGSEGV" */
};

/* Slots for `slots` children. 0, or -1 with errno; children_free is due in both cases. */
int children_init(struct children *children, uint32_t slots);
void children_free(struct children *children);

/* How many more can be started. */
uint32_t children_room(const struct children *children);
/* How many there are of a kind. */
uint32_t children_count(const struct children *children, enum worker_kind kind);

/*
 * Forks a worker; NULL when that fails (it is logged). In the child it runs the body with `config`
 * and exits.
 */
struct child *children_start(struct children *children, const struct config *config,
    enum worker_kind kind, uint32_t generation, int64_t now_us);

/* Sends QUIT, TERM or KILL; what was sent already or is milder than that is not sent (again). */
void child_tell(struct child *child, int signal, enum ending ending, int64_t now_us);
/* The same for all of a kind. */
void children_tell(struct children *children, enum worker_kind kind, int signal, int64_t now_us);
/* Tells all to reopen their logs. */
void children_reopen_logs(const struct children *children);

/* Learns who is ready or wants to retire, and enforces the time limits. */
void children_check(struct children *children, int64_t now_us);

/* Whether somebody of the pool serves and its loop goes round. */
bool children_serving(const struct children *children, int64_t now_us);

/* Lays one dead child to rest; false when there is none. */
bool children_reap(struct children *children, struct child_end *end, int64_t now_us);

#endif
