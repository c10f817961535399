/*
 * children.c: the master learns of its workers in two ways only, their slots and waitpid. A nudge
 * over the lifeline merely makes it look sooner, so a lost one costs a tick. The lifeline's other
 * purpose is its end: when the master dies, however it dies, the kernel tells every worker.
 */
#include "pool/children.h"
#include "base/base.h"
#include "base/log.h"
#include "pool/permits.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MASTER, WORKERS };

/* A master that was itself stopped for so long must not blame its workers. */
#define PAUSE_US INT64_C(2000000)

/* The lifeline raises SIGRTMIN in the master when a worker writes to it. */
static int open_lifeline(int lifeline[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, lifeline) != 0)
        return -1;
    if (fcntl(lifeline[MASTER], F_SETOWN, getpid()) != 0 ||
        fcntl(lifeline[MASTER], F_SETSIG, SIGRTMIN) != 0 ||
        fcntl(lifeline[MASTER], F_SETFL, O_NONBLOCK | O_ASYNC) != 0) {
        return -1;
    }
    return 0;
}

int children_init(struct children *children, uint32_t slots)
{
    children->lifeline[MASTER] = children->lifeline[WORKERS] = -1;
    children->scoreboard = scoreboard_new(slots);
    children->permits_fd = permits_open();
    if (children->scoreboard == NULL || children->permits_fd < 0 ||
        open_lifeline(children->lifeline) != 0)
        return -1;
    children->child = calloc(slots, sizeof *children->child);
    if (children->child == NULL)
        base_out_of_memory();
    for (uint32_t i = 0; i < slots; i++)
        children->child[i].slot = &children->scoreboard->slot[i];
    return 0;
}

void children_free(struct children *children)
{
    for (int end = MASTER; end <= WORKERS; end++)
        if (children->lifeline[end] >= 0)
            close(children->lifeline[end]);
    if (children->permits_fd >= 0)
        close(children->permits_fd);
    free(children->child);
}

static uint32_t slots(const struct children *children)
{
    return children->scoreboard->slots;
}

uint32_t children_room(const struct children *children)
{
    uint32_t room = 0;

    for (uint32_t i = 0; i < slots(children); i++)
        room += children->child[i].phase == CHILD_FREE;
    return room;
}

uint32_t children_count(const struct children *children, enum worker_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < slots(children); i++)
        count += children->child[i].phase != CHILD_FREE && children->child[i].kind == kind;
    return count;
}

/* --- starting --- */

/*
 * Whoever holds a key leaves no memory dump and lets nobody trace it. Not when sanitized: the leak
 * checker traces its own process.
 */
static void protect_memory(const struct config *config)
{
#ifndef __SANITIZE_ADDRESS__
    if (config->token.signing_key_file[0] != '\0' || config->password.pepper_file[0] != '\0')
        prctl(PR_SET_DUMPABLE, 0);
#else
    (void)config;
#endif
}

/* In the child: nothing of the master's stays open but, for ops, the queue to look at. */
_Noreturn static void run_child(
    struct children *children, const struct child *child, const struct config *config)
{
    struct sockets *sockets = children->sockets;
    bool ops = child->kind == WORKER_OPS;
    struct worker worker = {
        .config = config,
        .scoreboard = children->scoreboard,
        .slot = child->slot,
        .kind = child->kind,
        .listen_fd = ops ? sockets->ops.fd : sockets->pool.fd,
        .pool_listen_fd = ops ? sockets->pool.fd : -1,
        .permits_fd = ops ? -1 : children->permits_fd,
    };
    char name[16];

    close(children->lifeline[MASTER]);
    if (ops)
        close(children->permits_fd);
    else
        listener_close(&sockets->ops);
    snprintf(name, sizeof name, "petsd-%s%s", config->pool.name, ops ? "-ops" : "");
    prctl(PR_SET_NAME, name);
    protect_memory(config);
    log_threshold((enum log_level)config->log.level);
    if (log_open(config->log.file) != 0) {
        log_event(
            LEVEL_ERROR, "log_open_failed", log_str("file", config->log.file), log_errno(errno));
        exit(WORKER_EXIT_CONFIG);
    }
    exit((int)worker_run(&worker, children->body, children->lifeline[WORKERS]));
}

static struct child *find_free(struct children *children)
{
    for (uint32_t i = 0; i < slots(children); i++)
        if (children->child[i].phase == CHILD_FREE)
            return &children->child[i];
    return NULL;
}

static void prepare(struct child *child, const struct config *config, enum worker_kind kind,
    uint32_t generation, int64_t now_us)
{
    *child = (struct child){
        .phase = CHILD_STARTING,
        .slot = child->slot,
        .kind = kind,
        .generation = generation,
        .started_us = now_us,
        .ending = ENDING_FAILED,
        .start_timeout_ms = config->pool.start_timeout_ms,
        .kill_timeout_ms = config->pool.kill_timeout_ms,
        .drain_timeout_ms = config->pool.drain_timeout_ms,
        .term_timeout_ms = config->pool.term_timeout_ms,
    };
    atomic_store(&child->slot->kind, (uint32_t)kind);
    atomic_store(&child->slot->generation, generation);
    atomic_store(&child->slot->started_us, now_us);
    atomic_store(&child->slot->alive_us, now_us);
    atomic_store(&child->slot->state, WORKER_STARTING);
}

struct child *children_start(struct children *children, const struct config *config,
    enum worker_kind kind, uint32_t generation, int64_t now_us)
{
    struct child *child = find_free(children);

    if (child == NULL) {
        log_event(LEVEL_ERROR, "worker_start_failed", log_str("error", "too many are leaving"));
        return NULL;
    }
    prepare(child, config, kind, generation, now_us);
    fflush(NULL);
    child->pid = fork();
    if (child->pid == 0)
        run_child(children, child, config);
    if (child->pid < 0) {
        log_event(LEVEL_ERROR, "worker_start_failed", log_errno(errno));
        child->phase = CHILD_FREE;
        scoreboard_retire(children->scoreboard, child->slot);
        return NULL;
    }
    atomic_store(&child->slot->pid, child->pid);
    return child;
}

/* --- telling --- */

void child_tell(struct child *child, int signal, enum ending ending, int64_t now_us)
{
    enum child_phase phase = signal == SIGKILL   ? CHILD_KILLED
                             : signal == SIGTERM ? CHILD_ENDING
                                                 : CHILD_LEAVING;

    if (child->phase == CHILD_FREE || child->phase >= phase)
        return;
    if (child->phase < CHILD_LEAVING || ending == ENDING_KILLED)
        child->ending = ending;
    child->phase = phase;
    child->told_us = now_us;
    kill(child->pid, signal);
}

void children_tell(struct children *children, enum worker_kind kind, int signal, int64_t now_us)
{
    for (uint32_t i = 0; i < slots(children); i++)
        if (children->child[i].kind == kind)
            child_tell(&children->child[i], signal, ENDING_REPLACED, now_us);
}

void children_reopen_logs(const struct children *children)
{
    for (uint32_t i = 0; i < slots(children); i++)
        if (children->child[i].phase != CHILD_FREE)
            kill(children->child[i].pid, SIGUSR1);
}

/* --- watching --- */

static bool passed(int64_t since_us, int limit_ms, int64_t now_us)
{
    return now_us - since_us > (int64_t)limit_ms * 1000;
}

static void complain(const struct child *child, const char *event, int64_t since_us, int64_t now_us)
{
    log_event(LEVEL_ERROR, event, log_int("worker", child->pid),
        log_int("generation", child->generation), log_int("after_ms", (now_us - since_us) / 1000));
}

/* Since when the loop has not gone round, or its oldest request has been in flight. */
static int64_t stuck_since(const struct children *children, const struct child *child)
{
    struct request_entry entries[SCOREBOARD_REQUESTS];
    size_t count = slot_entries(child->slot, entries);
    int64_t since = atomic_load(&child->slot->alive_us);

    for (size_t i = 0; i < count; i++)
        since = MIN(since, entries[i].started_us);
    return MAX(since, children->grace_us);
}

static void check_serving(const struct children *children, struct child *child, int64_t now_us)
{
    int64_t since = stuck_since(children, child);

    if (!passed(since, child->kill_timeout_ms, now_us))
        return;
    complain(child, "worker_stuck", since, now_us);
    child_tell(child, SIGKILL, ENDING_KILLED, now_us);
}

static void check_starting(const struct children *children, struct child *child, int64_t now_us)
{
    int64_t since = MAX(child->started_us, children->grace_us);

    if (!passed(since, child->start_timeout_ms, now_us))
        return;
    complain(child, "worker_start_timeout", since, now_us);
    child_tell(child, SIGKILL, ENDING_KILLED, now_us);
}

/* The ladder: QUIT, TERM, KILL. */
static void check_leaving(struct child *child, int64_t now_us)
{
    if (child->phase == CHILD_LEAVING && passed(child->told_us, child->drain_timeout_ms, now_us)) {
        complain(child, "drain_timeout", child->told_us, now_us);
        child_tell(child, SIGTERM, child->ending, now_us);
    } else if (child->phase == CHILD_ENDING &&
               passed(child->told_us, child->term_timeout_ms, now_us)) {
        complain(child, "term_timeout", child->told_us, now_us);
        child_tell(child, SIGKILL, ENDING_KILLED, now_us);
    }
}

static void learn_state(struct child *child, int64_t now_us)
{
    uint32_t state = atomic_load(&child->slot->state);

    if (child->phase == CHILD_STARTING && (state == WORKER_READY || state == WORKER_RETIRING)) {
        child->phase = CHILD_SERVING;
        child->ready_us = now_us;
        log_event(LEVEL_DEBUG, "worker_ready", log_int("worker", child->pid),
            log_int("generation", child->generation),
            log_int("after_ms", (now_us - child->started_us) / 1000));
    }
    if (child->phase == CHILD_SERVING && state == WORKER_RETIRING)
        child->phase = CHILD_RETIRING;
}

void children_check(struct children *children, int64_t now_us)
{
    if (children->checked_us != 0 && now_us - children->checked_us > PAUSE_US)
        children->grace_us = now_us;
    children->checked_us = now_us;
    for (uint32_t i = 0; i < slots(children); i++) {
        struct child *child = &children->child[i];

        if (child->phase == CHILD_FREE)
            continue;
        learn_state(child, now_us);
        if (child->phase == CHILD_STARTING)
            check_starting(children, child, now_us);
        else if (child->phase != CHILD_KILLED)
            check_serving(children, child, now_us);
        check_leaving(child, now_us);
    }
}

bool children_serving(const struct children *children, int64_t now_us)
{
    for (uint32_t i = 0; i < slots(children); i++) {
        const struct child *child = &children->child[i];

        if (child->kind == WORKER_POOL &&
            (child->phase == CHILD_SERVING || child->phase == CHILD_RETIRING) &&
            now_us - atomic_load(&child->slot->alive_us) < PAUSE_US)
            return true;
    }
    return false;
}

/* --- the end --- */

static void describe_end(struct child_end *end)
{
    const char *name;

    if (end->was.phase == CHILD_KILLED && end->was.ready_us == 0) {
        snprintf(
            end->why, sizeof end->why, "was not ready within %d ms", end->was.start_timeout_ms);
    } else if (WIFSIGNALED(end->status)) {
        name = sigabbrev_np(WTERMSIG(end->status));
        snprintf(end->why, sizeof end->why, "was killed by SIG%s", name == NULL ? "?" : name);
    } else {
        snprintf(end->why, sizeof end->why, "exited with status %d%s", WEXITSTATUS(end->status),
            WEXITSTATUS(end->status) == WORKER_EXIT_CONFIG ? ", its configuration is bad" : "");
    }
}

/* As it was told, unless it went in another way. */
static enum ending classify(const struct child_end *end)
{
    if (end->was.phase == CHILD_KILLED)
        return end->was.ending;
    if (WIFSIGNALED(end->status))
        return ENDING_CRASHED;
    if (end->was.phase < CHILD_LEAVING || WEXITSTATUS(end->status) != WORKER_EXIT_OK)
        return ENDING_FAILED;
    return end->was.ending;
}

/* The post-mortem: what it was at. */
static void log_lost_requests(
    const struct children *children, const struct child *child, int64_t now_us)
{
    struct request_entry entries[SCOREBOARD_REQUESTS];
    size_t count = slot_entries(child->slot, entries);

    for (size_t i = 0; i < count; i++) {
        const struct request_entry *request = &entries[i];

        log_event(LEVEL_ERROR, "request_lost", log_int("worker", child->pid),
            log_str("request_id", request->request_id),
            log_str("route",
                request->route == UINT16_MAX ? NULL : children->names->route(request->route)),
            log_str("stage", stage_name((enum stage)request->stage)),
            log_str("statement",
                request->statement < 0 ? NULL : children->names->statement(request->statement)),
            log_int("backend_pid", request->backend_pid),
            log_int("age_ms", (now_us - request->started_us) / 1000));
    }
}

static void log_end(const struct child_end *end, enum ending ending, int64_t now_us)
{
    bool expected = ending == ENDING_REPLACED || ending == ENDING_RECYCLED;

    log_event(expected ? LEVEL_INFO : LEVEL_ERROR, "worker_ended", log_int("worker", end->was.pid),
        log_str("kind", end->was.kind == WORKER_OPS ? "ops" : "pool"),
        log_int("generation", end->was.generation), log_str("ending", ending_name(ending)),
        log_str("detail", end->why), log_int("age_ms", (now_us - end->was.started_us) / 1000));
}

static struct child *find_pid(struct children *children, pid_t pid)
{
    for (uint32_t i = 0; i < slots(children); i++)
        if (children->child[i].phase != CHILD_FREE && children->child[i].pid == pid)
            return &children->child[i];
    return NULL;
}

bool children_reap(struct children *children, struct child_end *end, int64_t now_us)
{
    enum ending ending;
    pid_t pid;

    /* As process 1 of a container the master gets children not its own: they are skipped. */
    do {
        pid = waitpid(-1, &end->status, WNOHANG);
        if (pid <= 0)
            return false;
        end->child = find_pid(children, pid);
    } while (end->child == NULL);
    learn_state(end->child, now_us);
    end->was = *end->child;
    describe_end(end);
    ending = classify(end);
    log_end(end, ending, now_us);
    log_lost_requests(children, end->child, now_us);
    atomic_fetch_add(&children->scoreboard->endings[ending], 1);
    scoreboard_retire(children->scoreboard, end->child->slot);
    end->child->phase = CHILD_FREE;
    return true;
}
