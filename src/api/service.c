/*
 * service.c: hashing off the loop, and granting tokens.
 */
#include "api/service.h"

static void hashed(struct hash_job *job)
{
    struct exchange *exchange = job->context;

    slot_count(service_of(exchange)->slot, COUNTER_HASHES);
    exchange_resume(exchange);
}

static void cancel_hash(struct exchange *exchange)
{
    hasher_cancel(service_of(exchange)->hasher, exchange->waiting);
}

enum err service_hash(struct exchange *exchange, struct hash_job *job)
{
    const struct service *service = service_of(exchange);

    job->done = hashed;
    job->context = exchange;
    if (hasher_submit(service->hasher, job) != 0) {
        slot_count(service->slot, COUNTER_HASHES_REFUSED);
        return ERR_OVERLOADED;
    }
    exchange->waiting = job;
    exchange_wait(exchange, STAGE_HASH, cancel_hash);
    return ERR_NONE;
}

int service_grant(struct exchange *exchange, const struct grant *grant)
{
    const struct service *service = service_of(exchange);

    return grant_write(
        service->config, service->keys, grant, exchange->arena, &exchange->reply.json);
}
