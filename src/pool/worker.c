/*
 * worker.c: what every worker does besides its work: says that it is alive, listens to signals and
 * to the death of its master, and leaves in order. There is one worker a process, so its state is
 * static. All news comes through the loop; nothing here runs at a bad moment.
 */
#include "pool/worker.h"
#include "base/base.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

static struct {
    struct worker *worker;
    int lifeline_fd;
    struct watch signals;
    struct watch lifeline;
    struct tick tick;
    bool ready;
    bool told_now;     /* on_leave has been called with `now` */
    int64_t orphan_us; /* since when there is no master; 0: there is one */
} self;

static void set_state(enum worker_state state)
{
    atomic_store(&self.worker->slot->state, (uint32_t)state);
}

/* One byte that wakes the master, which then looks at the scoreboard. */
static void nudge(void)
{
    (void)!send(self.lifeline_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void worker_ready(struct worker *worker)
{
    if (self.ready || worker->leaving)
        return;
    self.ready = true;
    set_state(WORKER_READY);
    nudge();
}

void worker_retire(struct worker *worker)
{
    if (worker->leaving || atomic_load(&worker->slot->state) != WORKER_READY)
        return;
    set_state(WORKER_RETIRING);
    nudge();
}

void worker_done(struct worker *worker)
{
    loop_stop(worker->loop);
}

/*
 * As long as anybody holds a listener the kernel lets connections in, so the ops worker must not
 * outlast the pool with its own. Something else takes the number, which others may have copied.
 */
static void forget_pool_listener(struct worker *worker)
{
    int null;

    if (worker->pool_listen_fd < 0)
        return;
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) {
        dup3(null, worker->pool_listen_fd, O_CLOEXEC);
        close(null);
    }
    worker->pool_listen_fd = -1;
}

/*
 * The listener is closed for good here and not where it was watched: when the master is gone, its
 * successor can bind the address anew as soon as all workers have done so.
 */
static void leave(struct worker *worker, bool now)
{
    if (self.told_now || (worker->leaving && !now))
        return;
    worker->leaving = true;
    self.told_now = now;
    set_state(WORKER_DRAINING);
    if (worker->on_leave != NULL)
        worker->on_leave(worker, now);
    else
        worker_done(worker);
    if (worker->listen_fd >= 0)
        close(worker->listen_fd);
    worker->listen_fd = -1;
    forget_pool_listener(worker);
}

static void reopen_log(void)
{
    if (log_reopen() != 0)
        log_event(LEVEL_ERROR, "log_reopen_failed", log_errno(errno));
}

static void on_signal(struct watch *watch, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGQUIT)
            leave(self.worker, false);
        else if (info.ssi_signo == SIGTERM)
            leave(self.worker, true);
        else if (info.ssi_signo == SIGUSR1)
            reopen_log();
    }
}

static void on_lifeline(struct watch *watch, uint32_t events)
{
    (void)events;
    loop_remove(self.worker->loop, watch);
    self.orphan_us = loop_now(self.worker->loop);
    log_event(LEVEL_ERROR, "master_gone", log_str("detail", "the master died; leaving"));
    leave(self.worker, false);
}

/* What the master would do to a worker that does not leave. */
static void orphan_limits(const struct config *config, int64_t now_us)
{
    int64_t term_us = self.orphan_us + (int64_t)config->pool.drain_timeout_ms * 1000;
    int64_t kill_us = term_us + (int64_t)config->pool.term_timeout_ms * 1000;

    if (now_us >= kill_us) {
        log_event(LEVEL_ERROR, "worker_gave_up", log_str("detail", "not drained in time"));
        _exit(WORKER_EXIT_FAILED);
    }
    if (now_us >= term_us)
        leave(self.worker, true);
}

static void on_tick(struct tick *tick, int64_t now_us)
{
    (void)tick;
    atomic_store_explicit(&self.worker->slot->alive_us, now_us, memory_order_relaxed);
    if (atomic_load(&self.worker->scoreboard->draining) != 0)
        forget_pool_listener(self.worker);
    if (self.orphan_us != 0)
        orphan_limits(self.worker->config, now_us);
}

/* All are blocked but those that a fault raises, and the guard's. */
static int watch_signals(struct loop *loop)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t blocked, read;

    sigfillset(&blocked);
    for (size_t i = 0; i < countof(faults); i++)
        sigdelset(&blocked, faults[i]);
    sigemptyset(&read);
    sigaddset(&read, SIGQUIT);
    sigaddset(&read, SIGTERM);
    sigaddset(&read, SIGUSR1);
    if (sigprocmask(SIG_SETMASK, &blocked, NULL) != 0)
        return -1;
    self.signals = (struct watch){signalfd(-1, &read, SFD_NONBLOCK | SFD_CLOEXEC), on_signal, 0};
    return self.signals.fd < 0 ? -1 : loop_add(loop, &self.signals, EPOLLIN);
}

static int set_up(struct worker *worker, int lifeline)
{
    worker->loop = loop_new();
    if (worker->loop == NULL)
        return -1;
    self.worker = worker;
    self.lifeline_fd = lifeline;
    self.lifeline = (struct watch){lifeline, on_lifeline, 0};
    self.tick.run = on_tick;
    loop_add_tick(worker->loop, &self.tick);
    if (watch_signals(worker->loop) != 0 || guard_start() != 0)
        return -1;
    return loop_add(worker->loop, &self.lifeline, EPOLLRDHUP);
}

enum worker_exit worker_run(struct worker *worker, worker_main *body, int lifeline)
{
    enum worker_exit result = WORKER_EXIT_FAILED;

    if (set_up(worker, lifeline) != 0)
        log_event(LEVEL_ERROR, "worker_setup_failed", log_errno(errno));
    else
        result = body(worker);
    loop_free(worker->loop);
    worker->loop = NULL;
    return result;
}
