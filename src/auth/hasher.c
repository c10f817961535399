/*
 * hasher.c: a fixed array of slots and two lists through it, free and waiting, all the loop's own;
 * and one piece of shared memory with the job that is being done. A byte on a socket hands it over,
 * a byte comes back when it is done, and its end tells either side that the other is gone. The
 * process takes its permit when it has a job, and looks then whether the job is still wanted. A job
 * that is cancelled later cannot be stopped: its slot is orphaned, and free again when it is done.
 *
 * It is a process and not a thread, so that it can have a nice value and a timer of its own.
 */
#include "auth/hasher.h"
#include "auth/turns.h"
#include "base/log.h"
#include "pool/permits.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { DEATHS_MAX = 3 };

struct hash_slot {
    struct hash_slot *next;
    struct hash_job *job; /* NULL: cancelled */
    bool submitted;       /* it was only reserved before */
    enum hash_kind kind;
    const struct pepper *pepper;
    size_t length;
    char password[PASSWORD_MAX];
    char hash[PASSWORD_HASH_SIZE];
};

/* Shared. The loop's until a byte was sent, the process's until a byte comes back. */
struct work {
    atomic_bool cancelled; /* may be set at any time */
    enum hash_kind kind;
    const struct pepper *pepper; /* older than the process, which has a copy at the same address */
    size_t length;
    char password[PASSWORD_MAX];
    char hash[PASSWORD_HASH_SIZE];
    bool good; /* matched, or made */
};

struct list {
    struct hash_slot *first;
    struct hash_slot **end;
};

struct hasher {
    struct watch watch; /* our end of the socket */
    struct loop *loop;
    struct slot *scoreboard; /* of the worker */
    const struct pepper *pepper;
    int cost;
    int permits_fd;
    int permits; /* at most so many processes hash at once */
    pid_t process;
    int deaths; /* of processes, since one last answered */
    struct work *work;
    struct hash_slot *running; /* whose job is in `work`; NULL: none */
    struct list waiting;
    struct hash_slot *free;
    char dummy[PASSWORD_HASH_SIZE];
    size_t slot_count;
    size_t pending; /* slots that are not free */
    struct hash_slot slots[];
};

static void list_init(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct list *list, struct hash_slot *slot)
{
    slot->next = NULL;
    *list->end = slot;
    list->end = &slot->next;
}

static struct hash_slot *list_take(struct list *list)
{
    struct hash_slot *slot = list->first;

    if (slot != NULL && (list->first = slot->next) == NULL)
        list->end = &list->first;
    return slot;
}

/* It is there. */
static void list_remove(struct list *list, struct hash_slot *slot)
{
    struct hash_slot **at = &list->first;

    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    if (list->end == &slot->next)
        list->end = at;
}

static void set_pending(struct hasher *hasher, size_t pending)
{
    hasher->pending = pending;
    atomic_store_explicit(
        &hasher->scoreboard->hash_pending, (uint32_t)pending, memory_order_relaxed);
}

static void slot_release(struct hasher *hasher, struct hash_slot *slot)
{
    explicit_bzero(slot->password, sizeof slot->password);
    explicit_bzero(slot->hash, sizeof slot->hash);
    slot->job = NULL;
    slot->submitted = false;
    slot->next = hasher->free;
    hasher->free = slot;
    set_pending(hasher, hasher->pending - 1);
}

/* --- the process --- */

static void work_one(const struct hasher *hasher)
{
    struct work *work = hasher->work;

    atomic_store(&hasher->scoreboard->hashing, 1);
    turns_begin();
    if (work->kind == HASH_VERIFY) {
        work->good = password_verify(work->pepper, work->password, work->length, work->hash);
        if (!work->good)
            password_even_out(work->pepper, work->hash, hasher->cost);
    } else {
        work->good = password_hash(hasher->pepper, work->password, work->length, hasher->cost,
                         work->hash) == 0;
    }
    turns_end();
    atomic_store(&hasher->scoreboard->hashing, 0);
}

/* Listeners, connections and the lifeline are the worker's. */
static void close_others(int a, int b)
{
    const unsigned low = (unsigned)MIN(a, b);
    const unsigned high = (unsigned)MAX(a, b);

    close_range(high + 1, ~0U, 0);
    if (low + 1 < high)
        close_range(low + 1, high - 1, 0);
    if (low > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, low - 1, 0);
}

_Noreturn static void run(const struct hasher *hasher, int fd)
{
    struct work *work = hasher->work;
    int permit;
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "petsd-hasher");
    close_others(fd, hasher->permits_fd);
    turns_init();
    for (;;) {
        if (recv(fd, &byte, 1, 0) != 1)
            break;
        permit = permits_take(hasher->permits_fd, hasher->permits);
        if (!atomic_load(&work->cancelled))
            work_one(hasher);
        permits_give(hasher->permits_fd, permit);
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    _exit(0);
}

/* With all signals blocked in it. 0, or -1 with errno. */
static int start(struct hasher *hasher)
{
    sigset_t all;
    sigset_t before;
    int pair[2];
    int error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
        return -1;
    hasher->watch.fd = pair[0];
    if (loop_add(hasher->loop, &hasher->watch, EPOLLIN) == -1)
        goto err1;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    hasher->process = fork();
    if (hasher->process == 0)
        run(hasher, pair[1]);
    error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (hasher->process == -1)
        goto err2;
    close(pair[1]);
    return 0;
err2:
    loop_remove(hasher->loop, &hasher->watch);
    errno = error;
err1:
    close(pair[0]);
    close(pair[1]);
    return -1;
}

static void stop(struct hasher *hasher)
{
    loop_remove(hasher->loop, &hasher->watch);
    close(hasher->watch.fd);
    kill(hasher->process, SIGKILL);
    waitpid(hasher->process, NULL, 0);
    atomic_store(&hasher->scoreboard->hashing, 0);
}

/* --- the loop --- */

static void hand_over(struct hasher *hasher)
{
    (void)!send(hasher->watch.fd, "", 1, MSG_NOSIGNAL); /* who is gone is found gone by the watch */
}

static void next_job(struct hasher *hasher)
{
    struct hash_slot *slot = hasher->running == NULL ? list_take(&hasher->waiting) : NULL;
    struct work *work = hasher->work;

    if (slot == NULL)
        return;
    hasher->running = slot;
    atomic_store(&work->cancelled, false);
    work->kind = slot->kind;
    work->pepper = slot->pepper;
    work->length = slot->length;
    memcpy(work->password, slot->password, slot->length);
    memcpy(work->hash, slot->hash, sizeof work->hash);
    explicit_bzero(slot->password, slot->length);
    hand_over(hasher);
}

/* The next one is begun before the caller of this one is told: that may take a while. */
static void finish(struct hasher *hasher)
{
    struct hash_slot *slot = hasher->running;
    struct hash_job *job = slot->job;
    bool good = hasher->work->good;

    explicit_bzero(hasher->work->password, slot->length);
    if (job != NULL) {
        job->slot = NULL;
        job->matched = slot->kind == HASH_VERIFY && good;
        job->failed = slot->kind == HASH_MAKE && !good;
        if (slot->kind == HASH_MAKE && good)
            memcpy(job->hash, hasher->work->hash, sizeof job->hash);
    }
    hasher->running = NULL;
    hasher->deaths = 0;
    slot_release(hasher, slot);
    next_job(hasher);
    if (job != NULL)
        job->done(job);
}

/*
 * Somebody killed the process, most likely for want of memory. Nobody need notice: another one does
 * the job again. When that does not help, the worker is not worth keeping.
 */
static void revive(struct hasher *hasher)
{
    log_event(LEVEL_ERROR, "hasher_died", log_int("process", hasher->process));
    stop(hasher);
    if (++hasher->deaths > DEATHS_MAX || start(hasher) != 0)
        _exit(WORKER_EXIT_FAILED);
    if (hasher->running != NULL)
        hand_over(hasher);
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct hasher *hasher = container_of(watch, struct hasher, watch);
    char byte;
    ssize_t got = recv(watch->fd, &byte, 1, MSG_DONTWAIT);

    (void)events;
    if (got == 1)
        finish(hasher);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        revive(hasher);
}

static struct hasher *allocate(const struct worker *worker)
{
    const struct config *config = worker->config;
    size_t slots = (size_t)config->password.hash_queue;
    struct hasher *hasher = calloc(1, sizeof *hasher + slots * sizeof hasher->slots[0]);

    if (hasher == NULL)
        base_out_of_memory();
    hasher->loop = worker->loop;
    hasher->scoreboard = worker->slot;
    hasher->permits_fd = worker->permits_fd;
    hasher->permits = config->password.hash_slots;
    hasher->cost = config->password.bcrypt_cost;
    hasher->watch.ready = on_ready;
    hasher->slot_count = hasher->pending = slots;
    for (size_t i = slots; i > 0; i--)
        slot_release(hasher, &hasher->slots[i - 1]);
    list_init(&hasher->waiting);
    return hasher;
}

static void release(struct hasher *hasher)
{
    explicit_bzero(hasher->slots, hasher->slot_count * sizeof hasher->slots[0]);
    free(hasher);
}

struct hasher *hasher_new(const struct worker *worker, const struct pepper *pepper)
{
    struct hasher *hasher = allocate(worker);
    int error = EINVAL;

    hasher->pepper = pepper;
    if (password_dummy(hasher->cost, hasher->dummy) == -1)
        goto err1;
    hasher->work =
        mmap(NULL, sizeof *hasher->work, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    error = errno;
    if (hasher->work == MAP_FAILED)
        goto err1;
    madvise(hasher->work, sizeof *hasher->work, MADV_DONTDUMP);
    if (start(hasher) == 0)
        return hasher;
    error = errno;
    munmap(hasher->work, sizeof *hasher->work);
err1:
    release(hasher);
    errno = error;
    return NULL;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher == NULL)
        return;
    stop(hasher);
    explicit_bzero(hasher->work, sizeof *hasher->work);
    munmap(hasher->work, sizeof *hasher->work);
    release(hasher);
}

int hasher_reserve(struct hasher *hasher, struct hash_job *job)
{
    struct hash_slot *slot = hasher->free;

    if (slot == NULL)
        return -1;
    hasher->free = slot->next;
    set_pending(hasher, hasher->pending + 1);
    slot->job = job;
    job->slot = slot;
    return 0;
}

int hasher_submit(struct hasher *hasher, struct hash_job *job)
{
    struct hash_slot *slot;

    if (job->length > PASSWORD_MAX || (job->slot == NULL && hasher_reserve(hasher, job) != 0))
        return -1;
    slot = job->slot;
    slot->submitted = true;
    slot->kind = job->kind;
    slot->pepper = job->pepper != NULL ? job->pepper : hasher->pepper;
    slot->length = job->length;
    memcpy(slot->password, job->password, job->length);
    if (job->kind == HASH_VERIFY)
        memcpy(slot->hash, job->hash, sizeof slot->hash);
    job->matched = job->failed = false;
    list_append(&hasher->waiting, slot);
    next_job(hasher);
    return 0;
}

void hasher_cancel(struct hasher *hasher, struct hash_job *job)
{
    struct hash_slot *slot = job->slot;

    if (slot == NULL)
        return;
    job->slot = NULL;
    slot->job = NULL;
    if (slot == hasher->running) {
        atomic_store(&hasher->work->cancelled, true);
    } else {
        if (slot->submitted)
            list_remove(&hasher->waiting, slot);
        slot_release(hasher, slot);
    }
}

size_t hasher_pending(const struct hasher *hasher)
{
    return hasher->pending;
}

bool hasher_busy(const struct hasher *hasher)
{
    return hasher->pending > hasher->slot_count / 2;
}

void hash_job_init(struct hash_job *job, enum hash_kind kind, const char *password, size_t length)
{
    *job =
        (struct hash_job){.kind = kind, .password = password, .length = length, .slot = job->slot};
}

void hash_job_expect(struct hash_job *job, const char *hash, size_t length)
{
    length = MIN(length, sizeof job->hash - 1);
    memcpy(job->hash, hash, length);
    job->hash[length] = '\0';
}

const char *hasher_dummy(const struct hasher *hasher)
{
    return hasher->dummy;
}
