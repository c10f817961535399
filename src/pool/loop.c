/*
 * loop.c: epoll, level-triggered, one wait a batch. The kernel holds the pointer of each watch, so
 * finding the object of an event costs nothing; the price is that a removed watch may still have an
 * event in the batch at hand. loop_remove therefore strikes it from what is left of the batch, and
 * loop_later delays what must outlive the batch. Ticks are looked at between two batches, by a
 * clock read that needs no system call.
 */
#include "pool/loop.h"
#include "base/base.h"

#include <sys/epoll.h>

enum { BATCH = 64, LATER_FIRST = 16 };

struct later {
    void (*function)(void *);
    void *object;
};

struct loop {
    int epoll_fd;
    bool stopped;
    int64_t now_us;
    int64_t next_tick_us;
    struct tick *ticks;
    struct later *later;
    size_t later_count, later_size;
    struct epoll_event batch[BATCH];
    int batch_next, batch_count; /* events not yet handed out */
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        base_out_of_memory();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    loop->now_us = base_now_us();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll_fd);
    free(loop->later);
    free(loop);
}

static int control(struct loop *loop, int operation, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event);
}

int loop_add(struct loop *loop, struct watch *watch, uint32_t events)
{
    if (control(loop, EPOLL_CTL_ADD, watch, events) != 0)
        return -1;
    watch->events = events;
    return 0;
}

int loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
    if (events == watch->events)
        return 0;
    /* The kernel does not change exclusive watches. */
    if (((events | watch->events) & EPOLLEXCLUSIVE) != 0) {
        if (control(loop, EPOLL_CTL_DEL, watch, 0) != 0)
            return -1;
        return loop_add(loop, watch, events);
    }
    if (control(loop, EPOLL_CTL_MOD, watch, events) != 0)
        return -1;
    watch->events = events;
    return 0;
}

void loop_remove(struct loop *loop, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    control(loop, EPOLL_CTL_DEL, watch, 0);
    watch->fd = -1;
    for (int i = loop->batch_next; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
}

void loop_add_tick(struct loop *loop, struct tick *tick)
{
    tick->next = loop->ticks;
    loop->ticks = tick;
}

void loop_tick_soon(struct loop *loop, int ms)
{
    loop->next_tick_us = MIN(loop->next_tick_us, loop->now_us + (int64_t)ms * 1000);
}

void loop_later(struct loop *loop, void (*function)(void *), void *object)
{
    if (loop->later_count == loop->later_size) {
        size_t size = MAX(loop->later_size * 2, (size_t)LATER_FIRST);
        struct later *later = realloc(loop->later, size * sizeof *later);

        if (later == NULL)
            base_out_of_memory();
        loop->later = later;
        loop->later_size = size;
    }
    loop->later[loop->later_count++] = (struct later){function, object};
}

int64_t loop_now(const struct loop *loop)
{
    return loop->now_us;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* What these functions ask for in turn waits for the next round, so that none can hold the loop. */
static void run_later(struct loop *loop)
{
    size_t count = loop->later_count;

    for (size_t i = 0; i < count; i++) {
        struct later later = loop->later[i];

        later.function(later.object);
    }
    if (count == 0)
        return;
    loop->later_count -= count;
    memmove(loop->later, loop->later + count, loop->later_count * sizeof *loop->later);
}

static void run_ticks(struct loop *loop)
{
    if (loop->now_us < loop->next_tick_us)
        return;
    loop->next_tick_us = loop->now_us + (int64_t)LOOP_TICK_MS * 1000;
    for (struct tick *tick = loop->ticks; tick != NULL; tick = tick->next)
        tick->run(tick, loop->now_us);
}

static int wait_ms(const struct loop *loop)
{
    int64_t left_us = loop->next_tick_us - loop->now_us;

    if (loop->later_count > 0 || left_us <= 0)
        return 0;
    return (int)((left_us + 999) / 1000);
}

/* 0, or -1 with errno; a signal is no event and no error. */
static int wait_for_batch(struct loop *loop)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, BATCH, wait_ms(loop));

    if (count < 0 && errno != EINTR)
        return -1;
    loop->batch_next = 0;
    loop->batch_count = MAX(count, 0);
    return 0;
}

static void run_batch(struct loop *loop)
{
    while (loop->batch_next < loop->batch_count && !loop->stopped) {
        struct epoll_event *event = &loop->batch[loop->batch_next++];
        struct watch *watch = event->data.ptr;

        if (watch == NULL)
            continue;
        loop->now_us = base_now_us();
        watch->ready(watch, event->events);
    }
    loop->batch_next = loop->batch_count = 0;
}

int loop_run(struct loop *loop)
{
    int result = 0;

    while (!loop->stopped && result == 0) {
        loop->now_us = base_now_us();
        run_ticks(loop);
        if (loop->stopped)
            break;
        result = wait_for_batch(loop);
        run_batch(loop);
        run_later(loop);
    }
    run_later(loop);
    loop->stopped = false;
    return result;
}
