/*
 * service.c: hashing off the loop, rules of passwords, granting tokens, and what goes by mail.
 */
#include "api/service.h"

#include "base/log.h"

/* Whoever repeats a refresh may make us look; not more often than that. */
enum { REFRESH_KEYS_LOOK_US = 10000000 };

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

static enum err overloaded(const struct service *service)
{
    slot_count(service->slot, COUNTER_HASHES_REFUSED);
    return ERR_OVERLOADED;
}

struct reservation {
    struct hasher *hasher;
    struct hash_job *job;
};

static void give_back(void *object)
{
    struct reservation *reservation = object;

    hasher_cancel(reservation->hasher, reservation->job);
}

enum err service_reserve(struct exchange *exchange, struct hash_job *job)
{
    const struct service *service = service_of(exchange);
    struct reservation *reservation;

    if (hasher_reserve(service->hasher, job) != 0)
        return overloaded(service);
    reservation = arena_alloc(exchange->arena, sizeof *reservation);
    *reservation = (struct reservation){service->hasher, job};
    arena_defer(exchange->arena, give_back, reservation);
    return ERR_NONE;
}

enum err service_hash(struct exchange *exchange, struct hash_job *job)
{
    const struct service *service = service_of(exchange);

    job->done = hashed;
    job->context = exchange;
    if (hasher_submit(service->hasher, job) != 0)
        return overloaded(service);
    exchange->waiting = job;
    exchange_wait(exchange, STAGE_HASH, cancel_hash);
    return ERR_NONE;
}

bool service_expect(
    const struct service *service, struct hash_job *job, const struct rows *rows, int column)
{
    const char *dummy = hasher_dummy(service->hasher);
    const char *hash;
    size_t length;

    if (rows_is(rows, 0, column + 1, pepper_id(service->pepper)))
        job->pepper = service->pepper;
    else if (service->previous_pepper != NULL &&
             rows_is(rows, 0, column + 1, pepper_id(service->previous_pepper)))
        job->pepper = service->previous_pepper;
    else
        job->pepper = NULL;
    hash = job->pepper == NULL ? dummy : rows_text(rows, 0, column, &length);
    hash_job_expect(job, hash, job->pepper == NULL ? strlen(dummy) : length);
    return job->pepper != NULL;
}

enum err service_check_password(
    struct exchange *exchange, const struct text *password, int column, const char *pointer)
{
    const struct rows *rows = &exchange->query.rows;
    struct password_owner owner;

    owner.email.bytes = rows_text(rows, 0, column, &owner.email.length);
    owner.name.bytes = rows_text(rows, 0, column + 1, &owner.name.length);
    return password_rules_check(service_of(exchange)->rules, password,
        rows_bool(rows, 0, column + 2) ? PASSWORD_MIN_MFA : PASSWORD_MIN, &owner, pointer,
        &exchange->violations);
}

const char *const service_keys_words[] = {"keep", "revoke", NULL};

bool service_revokes_keys(const struct value *value)
{
    return value->text.length == strlen(service_keys_words[1]);
}

int service_grant(struct exchange *exchange, const struct grant *grant)
{
    const struct service *service = service_of(exchange);

    return grant_write(
        service->config, service->keys, grant, exchange->arena, &exchange->reply.json);
}

static bool knows_refresh_key(const struct refresh_keys *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->key[i].id, id) == 0)
            return true;
    return false;
}

void service_find_refresh_key(struct exchange *exchange, const char *id, size_t length)
{
    struct service *service = service_of(exchange);
    int64_t now_us = base_now_us();
    char name[sizeof service->refresh_key_missed];
    char error[512] = "";
    int learnt;

    snprintf(name, sizeof name, "%.*s", (int)length, id);
    if (strcmp(name, service->refresh_key_missed) == 0 &&
        now_us - service->refresh_keys_looked_us < REFRESH_KEYS_LOOK_US)
        return;
    service->refresh_keys_looked_us = now_us;
    memcpy(service->refresh_key_missed, name, sizeof name);
    slot_count(service->slot, COUNTER_KEY_LOOKUPS);
    learnt = refresh_keys_learn(&service->refresh_keys, service->config, error, sizeof error);
    if (learnt == -1)
        log_event(LEVEL_ERROR, "refresh_keys_unreadable", log_str("error", error));
    if (learnt == 1)
        log_event(LEVEL_INFO, "refresh_keys_renewed", log_int("keys", service->refresh_keys.count));
    if (!knows_refresh_key(&service->refresh_keys, name))
        log_event(LEVEL_WARNING, "refresh_key_unknown", log_request(&exchange->request),
            log_str("key_id", name));
}

void service_bind_mail(const struct exchange *exchange, struct query *query)
{
    struct uuid id;

    uuid_v7(&id);
    query_uuid(query, service_of(exchange)->config->mail.mode ? &id : NULL);
}

void service_accepted(struct exchange *exchange)
{
    struct json_out *json = &exchange->reply.json;

    exchange->reply.status = 202;
    json_open_object(json);
    json_key(json, "detail");
    json_put_string(json, "What comes of it is told by mail, to that address alone.");
    json_close_object(json);
}

void service_token_refused(const struct exchange *exchange, const char *kind)
{
    log_event(LEVEL_WARNING, "authn_token_fail", log_request(&exchange->request),
        log_str("kind", kind), log_str("address", exchange->request.address));
}

enum err service_link_refused(const struct exchange *exchange, const char *kind)
{
    service_token_refused(exchange, kind);
    return ERR_LINK_INVALID;
}
