/*
 * generation.c: see generation.h for the idea. Nothing here waits: every function looks at what is
 * and does the next step, and the master calls them again.
 */
#include "pool/generation.h"
#include "base/base.h"
#include "base/log.h"

struct generation *generation_new(struct config *config, uint32_t number, bool ops)
{
    uint32_t workers = (uint32_t)config->pool.workers, places = workers + (ops ? 1 : 0);
    struct generation *generation =
        calloc(1, sizeof *generation + places * sizeof *generation->place);

    if (generation == NULL)
        base_out_of_memory();
    generation->number = number;
    generation->config = config;
    generation->places = places;
    for (uint32_t i = 0; i < places; i++)
        generation->place[i].kind = i < workers ? WORKER_POOL : WORKER_OPS;
    return generation;
}

void generation_free(struct generation *generation)
{
    if (generation == NULL)
        return;
    config_free(generation->config);
    free(generation);
}

void generation_promote(struct generation *generation, int64_t now_us)
{
    for (uint32_t i = 0; i < generation->places; i++) {
        struct place *place = &generation->place[i];

        if (place->successor == NULL || place->successor->ready_us == 0)
            continue;
        if (place->child != NULL)
            child_tell(place->child, SIGQUIT, ENDING_RECYCLED, now_us);
        place->child = place->successor;
        place->successor = NULL;
    }
}

static bool needs_successor(const struct place *place, int64_t now_us)
{
    if (place->successor != NULL || !backoff_is_over(&place->backoff, now_us))
        return false;
    return place->child == NULL || place->child->phase != CHILD_SERVING;
}

bool generation_fill(struct generation *generation, struct children *children, int64_t now_us)
{
    bool filled = true;

    for (uint32_t i = 0; i < generation->places; i++) {
        struct place *place = &generation->place[i];

        if (!needs_successor(place, now_us))
            continue;
        place->successor =
            children_start(children, generation->config, place->kind, generation->number, now_us);
        if (place->successor == NULL) {
            backoff_failed(&place->backoff, now_us);
            filled = false;
        }
    }
    return filled;
}

bool generation_is_complete(const struct generation *generation)
{
    for (uint32_t i = 0; i < generation->places; i++)
        if (generation->place[i].child == NULL)
            return false;
    return true;
}

static void judge(struct place *place, const struct child_end *end, int64_t now_us)
{
    if (end->was.ready_us != 0 && now_us - end->was.ready_us >= HEALTHY_US) {
        backoff_reset(&place->backoff);
        return;
    }
    backoff_failed(&place->backoff, now_us);
    log_event(LEVEL_WARNING, "worker_backoff", log_int("worker", end->was.pid),
        log_str("detail", end->why), log_int("delay_s", place->backoff.delay_s));
}

bool generation_lost(struct generation *generation, const struct child_end *end, int64_t now_us)
{
    for (uint32_t i = 0; i < generation->places; i++) {
        struct place *place = &generation->place[i];

        if (place->child != end->child && place->successor != end->child)
            continue;
        judge(place, end, now_us);
        if (place->child == end->child)
            place->child = NULL;
        else
            place->successor = NULL;
        return true;
    }
    return false;
}

/* Whoever is starting has no connections to wait for, but may get some this very moment. */
static void let_go(struct child *child, int64_t now_us)
{
    if (child != NULL)
        child_tell(child, child->ready_us == 0 ? SIGTERM : SIGQUIT, ENDING_REPLACED, now_us);
}

void generation_leave(struct generation *generation, enum worker_kind kind, int64_t now_us)
{
    for (uint32_t i = 0; i < generation->places; i++) {
        if (generation->place[i].kind != kind)
            continue;
        let_go(generation->place[i].child, now_us);
        let_go(generation->place[i].successor, now_us);
    }
}
