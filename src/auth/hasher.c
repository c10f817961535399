/*
 * hasher.c: a fixed array of slots and three lists through it: free, waiting, finished. One mutex
 * guards the lists; the password of a slot belongs to the loop until it is queued and to the thread
 * from then on. The thread hashes without the mutex, so the loop never waits for more than the move
 * of a pointer. A job that is cancelled while it runs cannot be stopped: its slot is orphaned, and
 * free again when it is done. The thread waits for its permit before it takes a job, so what is
 * cancelled meanwhile costs nothing.
 */
#include "auth/hasher.h"
#include "base/log.h"
#include "pool/permits.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

/*
 * Of the thread, the highest there is. With SCHED_IDLE it would get nothing at all while all
 * processors are busy, and nobody could log in then.
 */
enum { NICENESS = 19 };

struct hash_slot {
    struct hash_slot *next;
    struct hash_job *job; /* the loop's; NULL: cancelled */
    bool submitted;       /* the loop's; it was only reserved before */
    enum hash_kind kind;
    const struct pepper *pepper;
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
    struct watch watch; /* of event_fd; the loop's */
    int event_fd;       /* something is finished */
    struct loop *loop;
    struct slot *scoreboard; /* of the worker */
    const struct pepper *pepper;
    int cost;
    int permits_fd;
    int permits; /* at most so many processes hash at once */
    size_t slot_count;
    size_t pending; /* slots that are not free; the loop's */
    struct hash_slot *free;
    char dummy[PASSWORD_HASH_SIZE];
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    struct list waiting;
    struct list finished;
    bool stop;
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

/* Whether it was there. */
static bool list_remove(struct list *list, struct hash_slot *slot)
{
    for (struct hash_slot **at = &list->first; *at != NULL; at = &(*at)->next) {
        if (*at != slot)
            continue;
        *at = slot->next;
        if (list->end == &slot->next)
            list->end = at;
        return true;
    }
    return false;
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

/* --- the thread --- */

static void work(const struct hasher *hasher, struct hash_slot *slot)
{
    if (slot->kind == HASH_VERIFY) {
        slot->good = password_verify(slot->pepper, slot->password, slot->length, slot->hash);
        if (!slot->good)
            password_even_out(slot->pepper, slot->hash, hasher->cost);
    } else {
        slot->good = password_hash(hasher->pepper, slot->password, slot->length, hasher->cost,
                         slot->hash) == 0;
    }
    explicit_bzero(slot->password, sizeof slot->password);
}

/* With a permit: hashes the first that waits, if it still does. */
static void work_one(struct hasher *hasher)
{
    const uint64_t one = 1;
    struct hash_slot *slot;

    pthread_mutex_lock(&hasher->mutex);
    slot = hasher->stop ? NULL : list_take(&hasher->waiting);
    pthread_mutex_unlock(&hasher->mutex);
    if (slot == NULL)
        return;
    atomic_store(&hasher->scoreboard->hashing, 1);
    work(hasher, slot);
    atomic_store(&hasher->scoreboard->hashing, 0);
    pthread_mutex_lock(&hasher->mutex);
    list_append(&hasher->finished, slot);
    pthread_mutex_unlock(&hasher->mutex);
    if (write(hasher->event_fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort(); /* only a programming error can make an eventfd refuse */
}

/* False: there will be none. */
static bool wait_for_job(struct hasher *hasher)
{
    bool stop;

    pthread_mutex_lock(&hasher->mutex);
    while (!hasher->stop && hasher->waiting.first == NULL)
        pthread_cond_wait(&hasher->wake, &hasher->mutex);
    stop = hasher->stop;
    pthread_mutex_unlock(&hasher->mutex);
    return !stop;
}

static void *run(void *argument)
{
    struct hasher *hasher = argument;
    int permit;

    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    while (wait_for_job(hasher)) {
        permit = permits_take(hasher->permits_fd, hasher->permits);
        work_one(hasher);
        permits_give(hasher->permits_fd, permit);
    }
    return NULL;
}

/* --- the loop --- */

static void answer(struct hasher *hasher, struct hash_slot *slot)
{
    struct hash_job *job = slot->job;

    if (job != NULL) {
        job->slot = NULL;
        job->matched = slot->kind == HASH_VERIFY && slot->good;
        job->failed = slot->kind == HASH_MAKE && !slot->good;
        if (slot->kind == HASH_MAKE && slot->good)
            memcpy(job->hash, slot->hash, sizeof job->hash);
    }
    slot_release(hasher, slot);
    if (job != NULL)
        job->done(job);
}

static struct hash_slot *take_finished(struct hasher *hasher)
{
    struct hash_slot *slot;

    pthread_mutex_lock(&hasher->mutex);
    slot = list_take(&hasher->finished);
    pthread_mutex_unlock(&hasher->mutex);
    return slot;
}

static void on_finished(struct watch *watch, uint32_t events)
{
    struct hasher *hasher = container_of(watch, struct hasher, watch);
    struct hash_slot *slot;
    uint64_t count;

    (void)events;
    if (read(hasher->event_fd, &count, sizeof count) == -1 && errno != EAGAIN && errno != EINTR)
        log_event(LEVEL_ERROR, "hasher_failed", log_errno(errno));
    while ((slot = take_finished(hasher)) != NULL)
        answer(hasher, slot);
}

/* The signals of a worker are the loop's, SIGALRM above all. Returns an error number. */
static int start_thread(struct hasher *hasher)
{
    sigset_t all;
    sigset_t before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&hasher->thread, NULL, run, hasher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
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
    hasher->watch.ready = on_finished;
    hasher->slot_count = hasher->pending = slots;
    for (size_t i = slots; i > 0; i--)
        slot_release(hasher, &hasher->slots[i - 1]);
    list_init(&hasher->waiting);
    list_init(&hasher->finished);
    pthread_mutex_init(&hasher->mutex, NULL);
    pthread_cond_init(&hasher->wake, NULL);
    return hasher;
}

struct hasher *hasher_new(const struct worker *worker, const struct pepper *pepper)
{
    struct hasher *hasher = allocate(worker);
    int error;

    hasher->pepper = pepper;
    hasher->event_fd = hasher->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hasher->event_fd == -1)
        goto err1;
    if (password_dummy(hasher->cost, hasher->dummy) == -1) {
        errno = EINVAL;
        goto err2;
    }
    if (loop_add(hasher->loop, &hasher->watch, EPOLLIN) == -1)
        goto err2;
    error = start_thread(hasher);
    if (error == 0)
        return hasher;
    errno = error;
    loop_remove(hasher->loop, &hasher->watch);
err2:
    close(hasher->event_fd);
err1:
    free(hasher);
    return NULL;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher == NULL)
        return;
    pthread_mutex_lock(&hasher->mutex);
    hasher->stop = true;
    pthread_cond_signal(&hasher->wake);
    pthread_mutex_unlock(&hasher->mutex);
    pthread_join(hasher->thread, NULL);
    loop_remove(hasher->loop, &hasher->watch);
    close(hasher->event_fd);
    pthread_cond_destroy(&hasher->wake);
    pthread_mutex_destroy(&hasher->mutex);
    explicit_bzero(hasher->slots, hasher->slot_count * sizeof hasher->slots[0]);
    free(hasher);
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
    pthread_mutex_lock(&hasher->mutex);
    list_append(&hasher->waiting, slot);
    pthread_cond_signal(&hasher->wake);
    pthread_mutex_unlock(&hasher->mutex);
    return 0;
}

void hasher_cancel(struct hasher *hasher, struct hash_job *job)
{
    struct hash_slot *slot = job->slot;
    bool idle;

    if (slot == NULL)
        return;
    job->slot = NULL;
    slot->job = NULL;
    pthread_mutex_lock(&hasher->mutex);
    idle = !slot->submitted || list_remove(&hasher->waiting, slot);
    pthread_mutex_unlock(&hasher->mutex);
    if (idle)
        slot_release(hasher, slot);
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
