/*
 * master.c: the parent. It owns the listening sockets and the scoreboard, starts generations of
 * workers, and does nothing else: no database, no JSON, no locks, so there is little that could
 * break in it. All signals are blocked and taken one by one by sigtimedwait, which also is the only
 * place where it sleeps; after each signal and each tick it looks at everything there is and does
 * the next step of whatever is going on.
 *
 *   HUP             reads the configuration anew and starts a generation with it; when all of it is
 *                   ready the old one gets QUIT. If anything goes wrong before, the old one stays.
 *   RTMIN+1         the same, for petsd --reload, which is told how it went (askers.h).
 *   QUIT, TERM, INT stop, after all that has been asked has been answered: workers get QUIT, after
 *                   drain_timeout_ms TERM, after term_timeout_ms KILL.
 *   TERM, INT again stop now: workers get TERM; the third time KILL.
 *   USR1            reopens the log, here and in all workers.
 *   CHLD, RTMIN     a worker ended; a worker has news (see children.c).
 */
#include "pool/master.h"
#include "base/base.h"
#include "base/log.h"
#include "pool/askers.h"
#include "pool/generation.h"
#include "pool/notify.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { TICK_MS = 100, SLOTS_MIN = 32, GENERATIONS_AT_ONCE = 8 };

struct master {
    struct children children;
    struct sockets sockets;
    struct generation *current;
    struct generation *next; /* of a reload that is going on */
    uint32_t generations;    /* numbers given away */
    bool was_complete;       /* the first start has succeeded */
    bool reload_again;       /* HUP came during a reload */
    struct askers askers;
    int stops; /* how often it was told to stop */
    bool finished;
    int status; /* of the program */
    int64_t now_us;
    int64_t watchdog_us; /* when the next WATCHDOG=1 is due */
};

static struct scoreboard *board(const struct master *master)
{
    return master->children.scoreboard;
}

/* --- signals --- */

/* Those of a fault cannot wait. */
static void all_signals(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

    sigfillset(set);
    for (size_t i = 0; i < countof(faults); i++)
        sigdelset(set, faults[i]);
}

/* Whoever started us may have had some ignored; an ignored CHLD would even hide dead workers. */
static int take_signals(void)
{
    static const int used[] = {SIGHUP, SIGQUIT, SIGTERM, SIGINT, SIGUSR1, SIGCHLD};
    sigset_t set;

    all_signals(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        return -1;
    for (size_t i = 0; i < countof(used); i++)
        if (signal(used[i], SIG_DFL) == SIG_ERR)
            return -1;
    return 0;
}

/* The next signal, or 0 after a tick. */
static int next_signal(siginfo_t *info)
{
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    sigset_t set;
    int number;

    all_signals(&set);
    number = sigtimedwait(&set, info, &tick);
    return number < 0 ? 0 : number;
}

/* --- stopping --- */

/* New connections are refused from here on; what is queued the workers still take. */
static void stop_gracefully(struct master *master)
{
    log_event(
        LEVEL_INFO, "stopping", log_int("workers", children_count(&master->children, WORKER_POOL)));
    notify_send("STOPPING=1\nSTATUS=answering the last requests");
    atomic_store(&board(master)->draining, 1);
    listener_unlink(&master->sockets.pool);
    listener_close(&master->sockets.pool);
    askers_answer(&master->askers, false);
    askers_answer(&master->askers, false);
    if (master->next != NULL)
        generation_leave(master->next, WORKER_POOL, master->now_us);
    generation_leave(master->current, WORKER_POOL, master->now_us);
}

static void tell_all(struct master *master, int signal)
{
    children_tell(&master->children, WORKER_POOL, signal, master->now_us);
    children_tell(&master->children, WORKER_OPS, signal, master->now_us);
}

static void stop(struct master *master, int signal)
{
    if (master->stops == 0)
        stop_gracefully(master);
    else if (signal == SIGQUIT)
        return;
    else
        tell_all(master, master->stops == 1 ? SIGTERM : SIGKILL);
    master->stops++;
}

/* The ops worker goes last: it tells how far the others are. */
static void go_on_stopping(struct master *master)
{
    if (children_count(&master->children, WORKER_POOL) > 0)
        return;
    listener_unlink(&master->sockets.ops);
    listener_close(&master->sockets.ops);
    children_tell(&master->children, WORKER_OPS, SIGQUIT, master->now_us);
    master->finished = children_count(&master->children, WORKER_OPS) == 0;
}

/* --- reloading --- */

static void apply_log(const struct config *config)
{
    log_threshold((enum log_level)config->log.level);
    if (log_open(config->log.file) != 0)
        log_event(
            LEVEL_ERROR, "log_open_failed", log_str("file", config->log.file), log_errno(errno));
}

static void say_serving(const struct master *master)
{
    notify_send("READY=1\nSTATUS=generation %u is serving with %d workers", master->current->number,
        master->current->config->pool.workers);
}

static void reload_failed(struct master *master, const char *why)
{
    atomic_fetch_add(&board(master)->reloads_failed, 1);
    log_event(LEVEL_ERROR, "reload_failed", log_str("detail", why),
        log_int("serving_generation", master->current->number));
    notify_send("READY=1\nSTATUS=reload failed, generation %u is still serving: %s",
        master->current->number, why);
    askers_answer(&master->askers, false);
}

static void abandon(struct master *master, const char *why)
{
    struct generation *generation = master->next;

    master->next = NULL;
    generation_leave(generation, WORKER_POOL, master->now_us);
    generation_leave(generation, WORKER_OPS, master->now_us);
    generation_free(generation);
    reload_failed(master, why);
}

static void start_next(struct master *master, struct config *config)
{
    bool ops = master->sockets.ops.fd >= 0;
    uint32_t needed = (uint32_t)config->pool.workers + (ops ? 1 : 0);

    if (needed > children_room(&master->children)) {
        config_free(config);
        reload_failed(master, "too many workers: former ones are still leaving, "
                              "or more are configured than a reload can add");
        return;
    }
    master->next = generation_new(config, ++master->generations, ops);
    if (!generation_fill(master->next, &master->children, master->now_us))
        abandon(master, "a worker could not be started");
}

static void reload(struct master *master)
{
    const struct config *old = master->current->config;
    char error[512], names[512];
    struct config *config;

    if (master->stops > 0) {
        askers_answer(&master->askers, false);
        return;
    }
    if (master->next != NULL) {
        master->reload_again = true;
        return;
    }
    log_event(LEVEL_INFO, "reload_started", log_str("file", old->path));
    notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reloading", base_now_us());
    config = config_read(old->path, error, sizeof error);
    if (config == NULL) {
        reload_failed(master, error);
        return;
    }
    if (config_keep_fixed(config, old, names, sizeof names) > 0)
        log_event(LEVEL_WARNING, "reload_ignored", log_str("options", names),
            log_str("detail", "these need a restart and keep their value"));
    start_next(master, config);
}

/* The new generation serves: the old one may go. */
static void commit(struct master *master)
{
    struct generation *old = master->current;

    master->current = master->next;
    master->next = NULL;
    generation_leave(old, WORKER_POOL, master->now_us);
    generation_leave(old, WORKER_OPS, master->now_us);
    generation_free(old);
    master->was_complete = true;
    atomic_store(&board(master)->generation, master->current->number);
    atomic_fetch_add(&board(master)->reloads, 1);
    apply_log(master->current->config);
    log_event(LEVEL_INFO, "reloaded", log_int("generation", master->current->number),
        log_int("workers", master->current->config->pool.workers));
    say_serving(master);
    askers_answer(&master->askers, true);
}

static void go_on_reloading(struct master *master)
{
    if (master->next != NULL) {
        generation_promote(master->next, master->now_us);
        if (generation_is_complete(master->next))
            commit(master);
    }
    if (master->next == NULL && master->reload_again) {
        master->reload_again = false;
        reload(master);
    }
}

/* --- the workers --- */

/* Nothing has ever worked, and nothing will before somebody mends the configuration. */
static void give_up(struct master *master)
{
    log_event(LEVEL_ERROR, "start_failed",
        log_str("detail", "a worker cannot use its configuration: see the line before"));
    notify_send("STOPPING=1\nSTATUS=a worker cannot use its configuration");
    master->status = WORKER_EXIT_CONFIG;
    if (master->stops == 0)
        stop(master, SIGTERM);
    tell_all(master, SIGTERM);
}

static bool is_config_error(const struct child_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == WORKER_EXIT_CONFIG &&
           end->was.phase < CHILD_LEAVING;
}

static void lost(struct master *master, const struct child_end *end)
{
    char why[128];

    if (master->next != NULL && generation_lost(master->next, end, master->now_us)) {
        snprintf(why, sizeof why, "a new worker %s", end->why);
        abandon(master, why);
    } else if (generation_lost(master->current, end, master->now_us) && !master->was_complete &&
               is_config_error(end)) {
        give_up(master);
    }
}

static void first_start(struct master *master)
{
    if (master->was_complete || !generation_is_complete(master->current))
        return;
    master->was_complete = true;
    atomic_store(&board(master)->generation, master->current->number);
    log_event(LEVEL_INFO, "ready", log_int("generation", master->current->number),
        log_int("workers", master->current->config->pool.workers),
        log_int("after_ms", (master->now_us - atomic_load(&board(master)->started_us)) / 1000));
    say_serving(master);
}

/* While all goes well, and while it is not yet or no longer expected to. */
static void pet_watchdog(struct master *master)
{
    int64_t every_us = notify_watchdog_us();

    if (every_us == 0 || master->now_us < master->watchdog_us)
        return;
    if (master->was_complete && master->stops == 0 &&
        !children_serving(&master->children, master->now_us))
        return;
    notify_send("WATCHDOG=1");
    master->watchdog_us = master->now_us + every_us;
}

/* --- the loop --- */

static void on_signal(struct master *master, int signal, const siginfo_t *info)
{
    char bytes[256];

    if (signal == SIGHUP || signal == ASKERS_SIGNAL) {
        askers_note(&master->askers, info, master->next != NULL);
        reload(master);
    } else if (signal == SIGQUIT || signal == SIGTERM || signal == SIGINT) {
        stop(master, signal);
    } else if (signal == SIGUSR1) {
        if (log_reopen() != 0)
            log_event(LEVEL_ERROR, "log_reopen_failed", log_errno(errno));
        children_reopen_logs(&master->children);
    } else if (signal == SIGRTMIN || signal == SIGIO) {
        while (recv(master->children.lifeline[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
    }
}

static void go_on(struct master *master)
{
    struct child_end end;

    children_check(&master->children, master->now_us);
    while (children_reap(&master->children, &end, master->now_us))
        if (master->stops == 0)
            lost(master, &end);
    if (master->stops > 0) {
        go_on_stopping(master);
    } else {
        generation_promote(master->current, master->now_us);
        first_start(master);
        go_on_reloading(master);
        generation_fill(master->current, &master->children, master->now_us);
    }
    pet_watchdog(master);
}

static void loop(struct master *master)
{
    while (!master->finished) {
        siginfo_t info;
        int signal = next_signal(&info);

        master->now_us = base_now_us();
        if (signal != 0)
            on_signal(master, signal, &info);
        go_on(master);
    }
}

/* --- beginning and end --- */

/* A closed descriptor 0, 1 or 2 would be given to a socket, and libraries write to 2. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            abort();
}

/* More than it allows is silently cut by the kernel. */
static void check_backlog(const struct config *config)
{
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
    char line[32] = "";
    long limit;

    if (file == NULL)
        return;
    limit = fgets(line, sizeof line, file) == NULL ? INT_MAX : strtol(line, NULL, 10);
    fclose(file);
    if (config->pool.backlog > limit)
        log_event(LEVEL_WARNING, "backlog_cut", log_int("backlog", config->pool.backlog),
            log_int("net.core.somaxconn", limit));
}

static void log_listener(const char *what, const struct listener *listener)
{
    char name[160];

    if (listener->fd < 0)
        return;
    listener_name(listener, name, sizeof name);
    log_event(LEVEL_INFO, "listening", log_str("for", what), log_str("address", name));
}

static int open_sockets(struct master *master, const struct config *config)
{
    char error[512];

    if (sockets_open(&master->sockets, config, error, sizeof error) != 0) {
        log_event(LEVEL_ERROR, "listen_failed", log_str("detail", error));
        return -1;
    }
    check_backlog(config);
    log_listener("pool", &master->sockets.pool);
    log_listener("ops", &master->sockets.ops);
    return 0;
}

/* Room for a few generations at once; a reload can add workers within it. */
static uint32_t slots_for(const struct config *config)
{
    return MAX((uint32_t)(config->pool.workers + 1) * GENERATIONS_AT_ONCE, (uint32_t)SLOTS_MIN);
}

static int begin(struct master *master, const struct config *config)
{
    struct timespec wall;

    log_pool(config->pool.name);
    apply_log(config);
    notify_open();
    if (children_init(&master->children, slots_for(config)) != 0 || take_signals() != 0) {
        log_event(LEVEL_ERROR, "start_failed", log_errno(errno));
        return -1;
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    atomic_store(&board(master)->started_epoch_s, wall.tv_sec);
    atomic_store(&board(master)->started_us, master->now_us);
    atomic_store(&board(master)->master_pid, getpid());
    return open_sockets(master, config);
}

static void end(struct master *master)
{
    listener_unlink(&master->sockets.pool);
    listener_unlink(&master->sockets.ops);
    listener_close(&master->sockets.pool);
    listener_close(&master->sockets.ops);
    children_free(&master->children);
    generation_free(master->current);
    generation_free(master->next);
    log_event(LEVEL_INFO, "stopped", log_int("status", master->status));
}

int master_run(struct config *config, worker_main *body, const struct master_names *names)
{
    struct master master = {.status = EXIT_SUCCESS, .now_us = base_now_us()};

    fill_standard_descriptors();
    master.children.sockets = &master.sockets;
    master.children.body = body;
    master.children.names = names;
    if (begin(&master, config) != 0) {
        children_free(&master.children);
        config_free(config);
        return EXIT_FAILURE;
    }
    master.current = generation_new(config, ++master.generations, master.sockets.ops.fd >= 0);
    generation_fill(master.current, &master.children, master.now_us);
    loop(&master);
    end(&master);
    return master.status;
}
