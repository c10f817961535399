/*
 * hasher.c: a fixed array of slots and three lists through it: free, waiting, finished. One mutex
 * guards the lists; the password of a slot belongs to the loop until it is queued and to the thread
 * from then on. The thread hashes without the mutex, so the loop never waits for more than the move
 * of a pointer. A job that is cancelled while it runs cannot be stopped: its slot is orphaned, and
 * free again when it is done.
 */
#include "auth/hasher.h"
#include "base/log.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct hash_slot {
    struct hash_slot *next;
    struct hash_job *job; /* the loop's; NULL: cancelled */
    enum hash_kind kind;
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
    const struct pepper *pepper;
    int cost;
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

static void slot_release(struct hasher *hasher, struct hash_slot *slot)
{
    explicit_bzero(slot->password, sizeof slot->password);
    explicit_bzero(slot->hash, sizeof slot->hash);
    slot->job = NULL;
    slot->next = hasher->free;
    hasher->free = slot;
    hasher->pending--;
}

/* --- the thread --- */

static void work(const struct hasher *hasher, struct hash_slot *slot)
{
    if (slot->kind == HASH_VERIFY)
        slot->good = password_verify(hasher->pepper, slot->password, slot->length, slot->hash);
    else
        slot->good = password_hash(hasher->pepper, slot->password, slot->length, hasher->cost,
                         slot->hash) == 0;
    explicit_bzero(slot->password, sizeof slot->password);
}

static void *run(void *argument)
{
    struct hasher *hasher = argument;
    const uint64_t one = 1;

    pthread_mutex_lock(&hasher->mutex);
    while (!hasher->stop) {
        struct hash_slot *slot = list_take(&hasher->waiting);

        if (slot == NULL) {
            pthread_cond_wait(&hasher->wake, &hasher->mutex);
            continue;
        }
        pthread_mutex_unlock(&hasher->mutex);
        work(hasher, slot);
        pthread_mutex_lock(&hasher->mutex);
        list_append(&hasher->finished, slot);
        if (write(hasher->event_fd, &one, sizeof one) != (ssize_t)sizeof one)
            abort(); /* only a programming error can make an eventfd refuse */
    }
    pthread_mutex_unlock(&hasher->mutex);
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

struct hasher *hasher_new(
    struct loop *loop, const struct pepper *pepper, const struct config *config)
{
    size_t slots = (size_t)config->password.hash_queue;
    struct hasher *hasher = calloc(1, sizeof *hasher + slots * sizeof hasher->slots[0]);
    int error;

    if (hasher == NULL)
        base_out_of_memory();
    hasher->loop = loop;
    hasher->pepper = pepper;
    hasher->cost = config->password.bcrypt_cost;
    hasher->watch.ready = on_finished;
    hasher->slot_count = hasher->pending = slots;
    for (size_t i = slots; i > 0; i--)
        slot_release(hasher, &hasher->slots[i - 1]);
    list_init(&hasher->waiting);
    list_init(&hasher->finished);
    pthread_mutex_init(&hasher->mutex, NULL);
    pthread_cond_init(&hasher->wake, NULL);
    hasher->event_fd = hasher->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hasher->event_fd == -1)
        goto err1;
    if (password_dummy(hasher->cost, hasher->dummy) == -1) {
        errno = EINVAL;
        goto err2;
    }
    if (loop_add(loop, &hasher->watch, EPOLLIN) == -1)
        goto err2;
    error = start_thread(hasher);
    if (error == 0)
        return hasher;
    errno = error;
    loop_remove(loop, &hasher->watch);
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

int hasher_submit(struct hasher *hasher, struct hash_job *job)
{
    struct hash_slot *slot = hasher->free;

    if (slot == NULL || job->length > PASSWORD_MAX)
        return -1;
    hasher->free = slot->next;
    hasher->pending++;
    slot->job = job;
    slot->kind = job->kind;
    slot->length = job->length;
    memcpy(slot->password, job->password, job->length);
    if (job->kind == HASH_VERIFY)
        memcpy(slot->hash, job->hash, sizeof slot->hash);
    job->slot = slot;
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
    bool waiting;

    if (slot == NULL)
        return;
    job->slot = NULL;
    slot->job = NULL;
    pthread_mutex_lock(&hasher->mutex);
    waiting = list_remove(&hasher->waiting, slot);
    pthread_mutex_unlock(&hasher->mutex);
    if (waiting)
        slot_release(hasher, slot);
}

size_t hasher_pending(const struct hasher *hasher)
{
    return hasher->pending;
}

const char *hasher_dummy(const struct hasher *hasher)
{
    return hasher->dummy;
}
