/*
 * generation.h: the workers that serve with one reading of the configuration. A generation has
 * places, one for each worker it shall have; whoever is started becomes the successor in its place
 * and takes it when it is ready, so that first start, replacement after a crash and recycling are
 * the same thing. Private to the master.
 */
#ifndef POOL_GENERATION_H
#define POOL_GENERATION_H

#include "pool/backoff.h"
#include "pool/children.h"

/* Who has served for so long is healthy: a later death is not held against the place. */
#define HEALTHY_US INT64_C(10000000)

struct place {
    enum worker_kind kind;
    struct child *child;     /* serves; NULL: nobody does */
    struct child *successor; /* is being started */
    struct backoff backoff;
};

struct generation {
    uint32_t number;
    struct config *config; /* owned */
    uint32_t places;
    struct place place[];
};

/* `ops`: has a place for an ops worker too. Caller frees. */
struct generation *generation_new(struct config *config, uint32_t number, bool ops);
void generation_free(struct generation *generation);

/* Successors that are ready take their places, and who had it leaves. */
void generation_promote(struct generation *generation, int64_t now_us);

/* Starts who is missing or wants to be replaced. False when somebody could not be started. */
bool generation_fill(struct generation *generation, struct children *children, int64_t now_us);

/* Every place is taken. */
bool generation_is_complete(const struct generation *generation);

/* Forgets a dead child; false when it was none of this generation. */
bool generation_lost(struct generation *generation, const struct child_end *end, int64_t now_us);

/* Lets all of a kind go. */
void generation_leave(struct generation *generation, enum worker_kind kind, int64_t now_us);

#endif
