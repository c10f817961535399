/*
 * loop.h: the event loop of a worker: descriptors, a tick, and things to do once the current batch
 * of events is over. One loop a process. A watch is embedded in the object it serves and must live
 * until the end of the batch in which it is removed (two events of one batch can name the same
 * object; the loop drops events for removed watches): free such objects with loop_later.
 */
#ifndef POOL_LOOP_H
#define POOL_LOOP_H

#include "base/base.h"

struct loop;

struct watch {
    int fd; /* -1: not watched */
    /* `events` as in epoll_wait(2). */
    void (*ready)(struct watch *watch, uint32_t events);
    /* private to the loop */
    uint32_t events;
};

/* Something done about every LOOP_TICK_MS, also while the loop is busy. */
enum { LOOP_TICK_MS = 100 };
struct tick {
    void (*run)(struct tick *tick, int64_t now_us);
    struct tick *next; /* private to the loop */
};

/* NULL with errno when the kernel refuses. Caller frees. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Level-triggered. `watch` is borrowed until loop_remove. 0, or -1 with errno. */
int loop_add(struct loop *loop, struct watch *watch, uint32_t events);
/* Makes no system call when `events` are those already asked for. */
int loop_change(struct loop *loop, struct watch *watch, uint32_t events);
/* Does not close the descriptor. Sets watch->fd to -1. Harmless when not watched. */
void loop_remove(struct loop *loop, struct watch *watch);

/* Borrowed for the life of the loop. */
void loop_add_tick(struct loop *loop, struct tick *tick);

/* Has the next tick come in at most `ms` milliseconds; the ones after it keep their distance. */
void loop_tick_soon(struct loop *loop, int ms);

/* Calls function(object) after the current batch, or at once before the next wait. */
void loop_later(struct loop *loop, void (*function)(void *), void *object);

/* Monotonic microseconds as of the start of the current event; cheap. */
int64_t loop_now(const struct loop *loop);

/* Runs until loop_stop, and may be run again. 0, or -1 with errno when waiting itself fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
