/*
 * askers.h: who has asked for a reload and waits to hear how it went: petsd --reload, which is what
 * the service manager runs. HUP is a message in one direction, and of two at once one gets lost; so
 * it is a real-time signal that asks, and another signal, sent to whoever the kernel says has
 * asked, that answers.
 */
#ifndef POOL_ASKERS_H
#define POOL_ASKERS_H

#include "base/base.h"

#include <signal.h>

#define ASKERS_SIGNAL (SIGRTMIN + 1)

enum { ASKERS_MAX = 8 };

struct askers {
    pid_t now[ASKERS_MAX];  /* for the reload that is going on; 0: free */
    pid_t next[ASKERS_MAX]; /* for the one behind it */
};

/*
 * Remembers the sender of ASKERS_SIGNAL: for the reload that begins, or with `next` for the one
 * behind it. The ninth is not answered.
 */
void askers_note(struct askers *askers, const siginfo_t *info, bool next);

/* Tells those of the reload that is over; the others are those of the one that begins. */
void askers_answer(struct askers *askers, bool reloaded);

/*
 * The other side: asks the process `master`, which belongs to this user, and waits. 1: it has
 * reloaded; 0: it has not, and serves as before; -1 with errno, ETIMEDOUT when there was no answer.
 * Blocks a signal for good: for a program that does nothing else.
 */
int askers_ask(pid_t master, int timeout_ms);

#endif
