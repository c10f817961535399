/*
 * throttle.c: which buckets an attempt of each kind takes from, and what a client is told about
 * them. The client is told of its own bucket only, unless another one refuses: how full the others
 * are is news of other people.
 */
#include "api/throttle.h"

#include "api/service.h"
#include "base/log.h"

enum scope { SCOPE_OWN, SCOPE_ACCOUNT, SCOPE_NETWORK, SCOPES };

/* As many failures fit in as `burst`, and one drains away in `drain_s`; burst 0: no such bucket. */
struct limit {
    int burst, drain_s;
};

const char *throttle_name(enum throttle_kind kind)
{
    static const char *const names[] = {"login", "register", "password", "reset", "mailbox"};

    return names[kind];
}

static void choose_limits(
    const struct config *config, enum throttle_kind kind, struct limit limits[SCOPES])
{
    const struct limit own = {config->throttle.own_burst, config->throttle.own_drain_s};
    const struct limit account = {config->throttle.account_burst, config->throttle.account_drain_s};
    const struct limit network = {config->throttle.network_burst, config->throttle.network_drain_s};
    const struct limit reset = {config->throttle.reset_burst, config->throttle.reset_drain_s};
    const struct limit mailbox = {config->throttle.mailbox_burst, config->throttle.mailbox_drain_s};
    const struct limit by_register = {
        config->throttle.register_burst, config->throttle.register_drain_s};
    const struct limit none = {0, 0};
    const struct limit table[][SCOPES] = {
        [THROTTLE_LOGIN] = {own, account, network},
        [THROTTLE_REGISTER] = {none, none, by_register},
        [THROTTLE_PASSWORD] = {own, account, network},
        [THROTTLE_RESET] = {reset, reset, by_register},
        [THROTTLE_MAILBOX] = {none, mailbox, none},
    };

    for (int i = 0; i < SCOPES; i++)
        limits[i] = config->throttle.enabled ? table[kind][i] : none;
}

void throttle_bind_limits(
    const struct exchange *exchange, struct query *query, enum throttle_kind kind)
{
    const struct config *config = service_of(exchange)->config;
    int32_t values[3 + 2 * SCOPES] = {
        config->throttle.ipv4_bits, config->throttle.ipv6_bits, config->throttle.known_days};
    struct limit limits[SCOPES];

    choose_limits(config, kind, limits);
    for (int i = 0; i < SCOPES; i++) {
        values[3 + 2 * i] = limits[i].burst;
        values[4 + 2 * i] = limits[i].drain_s;
    }
    query_int4_array(query, values, countof(values));
}

void throttle_bind(struct exchange *exchange, struct query *query, enum throttle_kind kind)
{
    query_inet(query, exchange->request.address);
    throttle_bind_limits(exchange, query, kind);
}

void throttle_ask(struct exchange *exchange, enum throttle_kind kind, const struct text *subject,
    const struct uuid *account)
{
    struct query *query = exchange_query(exchange, STATEMENT_THROTTLE_TAKE);

    query_string(query, throttle_name(kind));
    if (subject == NULL)
        query_null(query);
    else
        query_text(query, subject->bytes, subject->length);
    query_uuid(query, account);
    throttle_bind(exchange, query, kind);
}

/* The fields of one bucket: its quota, and what is left of it. */
static void tell(
    struct exchange *exchange, const char *name, struct limit limit, int remaining, int reset_s)
{
    struct reply *reply = &exchange->reply;

    reply->rate_limit_policy = arena_format(exchange->arena, "\"%s\";q=%d;w=%" PRId64, name,
        limit.burst, (int64_t)limit.burst * limit.drain_s);
    reply->rate_limit = arena_format(exchange->arena, "\"%s\";r=%d;t=%d", name, remaining, reset_s);
}

static enum scope refused_scope(const struct rows *rows, int column)
{
    if (rows_is(rows, 0, column, "own"))
        return SCOPE_OWN;
    return rows_is(rows, 0, column, "account") ? SCOPE_ACCOUNT : SCOPE_NETWORK;
}

static const char *const scopes[] = {"own", "account", "network"};

/* Counts and logs it. */
static void note_refused(
    struct exchange *exchange, enum throttle_kind kind, enum scope scope, int retry_s)
{
    static const enum counter counters[] = {
        COUNTER_THROTTLED_OWN, COUNTER_THROTTLED_ACCOUNT, COUNTER_THROTTLED_NETWORK};

    slot_count(service_of(exchange)->slot, counters[scope]);
    log_event(LEVEL_WARNING, "excess_rate_limit_exceeded", log_request(&exchange->request),
        log_str("kind", throttle_name(kind)), log_str("bucket", scopes[scope]),
        log_str("address", exchange->request.address), log_int("retry_s", retry_s));
}

static enum err refuse(struct exchange *exchange, enum throttle_kind kind, int column)
{
    const struct rows *rows = &exchange->query.rows;
    enum scope scope = refused_scope(rows, column);
    int retry_s = rows_int4(rows, 0, column + 1);
    struct limit limits[SCOPES];
    const char *name = throttle_name(kind);

    choose_limits(service_of(exchange)->config, kind, limits);
    if (scope != SCOPE_OWN)
        name = arena_format(exchange->arena, "%s-%s", name, scopes[scope]);
    tell(exchange, name, limits[scope], 0, retry_s);
    exchange->reply.retry_after = retry_s;
    note_refused(exchange, kind, scope, retry_s);
    return ERR_RATE_LIMITED;
}

void throttle_note(struct exchange *exchange, enum throttle_kind kind, int column)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows->count == 1 && !rows_null(rows, 0, column))
        note_refused(exchange, kind, refused_scope(rows, column), rows_int4(rows, 0, column + 1));
}

enum err throttle_judge(
    struct exchange *exchange, enum throttle_kind kind, int column, struct text *receipt)
{
    const struct rows *rows = &exchange->query.rows;
    struct limit limits[SCOPES];

    *receipt = (struct text){"", 0};
    if (rows->count != 1)
        return ERR_INTERNAL;
    if (!rows_null(rows, 0, column))
        return refuse(exchange, kind, column);
    if (rows_null(rows, 0, column + 4))
        return ERR_NONE;
    receipt->bytes = rows_text(rows, 0, column + 4, &receipt->length);
    choose_limits(service_of(exchange)->config, kind, limits);
    tell(exchange, throttle_name(kind),
        limits[limits[SCOPE_OWN].burst > 0 ? SCOPE_OWN : SCOPE_NETWORK],
        rows_int4(rows, 0, column + 2), rows_int4(rows, 0, column + 3));
    return ERR_NONE;
}

void throttle_bind_give(struct exchange *exchange, struct query *query, const struct text *receipt)
{
    if (receipt == NULL)
        query_null(query);
    else
        query_text(query, receipt->bytes, receipt->length);
    query_int4(query, 100 - service_of(exchange)->config->throttle.success_percent);
}

void throttle_bind_known(struct exchange *exchange, struct query *query)
{
    throttle_bind_limits(exchange, query, THROTTLE_LOGIN);
    query_int4(query, service_of(exchange)->config->throttle.known_networks);
}
