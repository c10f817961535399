/*
 * exchange.c: the two passages of a request, top to bottom, and what can end it early: its peer,
 * its timeout. Every way out leads through `finish`, once.
 */
#include "http/exchange.h"

#include "base/log.h"
#include "http/body.h"
#include "http/idempotency.h"
#include "http/precondition.h"
#include "http/prefer.h"
#include "http/refusal.h"

static struct slot *slot_of(const struct exchange *exchange)
{
    return exchange->app->worker->slot;
}

static const struct config *config_of(const struct exchange *exchange)
{
    return exchange->app->worker->config;
}

static void stage(struct exchange *exchange, enum stage stage)
{
    slot_stage(slot_of(exchange), exchange->entry, stage, base_now_us());
}

static unsigned route_index(const struct exchange *exchange)
{
    return exchange->route == NULL ? SCOREBOARD_ROUTES
                                   : (unsigned)(exchange->route - exchange->app->table->routes);
}

static struct query *on_query_settle(struct query *query);

/* --- ask --- */

static enum err match_route(struct exchange *exchange)
{
    struct request *request = &exchange->request;
    struct route_match match;

    route_find(exchange->app->table, exchange->app->pools, request->method, request->path, &match);
    if (match.allow[0] == '\0')
        return ERR_NOT_FOUND;
    if (match.route == NULL) {
        exchange->reply.allow = arena_string(exchange->arena, match.allow);
        if (request->method == METHOD_OPTIONS) {
            exchange->reply.accept_patch = match.merges ? "application/merge-patch+json" : NULL;
            return ERR_NONE;
        }
        return request->method == METHOD_UNKNOWN ? ERR_NOT_IMPLEMENTED : ERR_METHOD_NOT_ALLOWED;
    }
    exchange->route = match.route;
    slot_request(slot_of(exchange), exchange->entry, request->id, (uint16_t)route_index(exchange));
    /* What is not a UUID is the name of nothing. */
    if (match.id[0] != '\0' && !uuid_parse(match.id, strlen(match.id), &exchange->id))
        return ERR_NOT_FOUND;
    return ERR_NONE;
}

static enum err authenticate(struct exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    const char *header = exchange->request.authorization;
    const char *token;
    enum err err;

    if (exchange->route->access == ACCESS_PUBLIC)
        return ERR_NONE;
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return ERR_TOKEN_MISSING;
    token = header + sizeof scheme - 1;
    token += strspn(token, " ");
    err = exchange->app->authenticate(exchange->app, token, strlen(token), &exchange->principal);
    if (err == ERR_NONE && exchange->principal.key && exchange->route->scope == NULL)
        return ERR_INSUFFICIENT_SCOPE;
    return err;
}

static enum err negotiate(struct exchange *exchange)
{
    if (!exchange->route->negotiates &&
        accept_quality(exchange->request.accept, "application/json") == 0)
        return ERR_NOT_ACCEPTABLE;
    return ERR_NONE;
}

static enum err check_key(struct exchange *exchange)
{
    const char *header = exchange->request.idempotency_key;

    if (header == NULL || !exchange->route->repeats)
        return ERR_NONE;
    return idempotency_parse(exchange->arena, header, &exchange->key) ? ERR_NONE
                                                                      : ERR_INVALID_IDEMPOTENCY_KEY;
}

static enum err check_parameters(struct exchange *exchange)
{
    const struct route *route = exchange->route;

    request_parameters(&exchange->request, route->parameters, route->parameter_count,
        exchange->parameters, &exchange->violations);
    return exchange->violations.count > 0 ? ERR_INVALID_PARAMETER : ERR_NONE;
}

static enum err ask(struct exchange *exchange)
{
    enum err err;

    if ((err = match_route(exchange)) != ERR_NONE)
        return err;
    if (exchange->route == NULL) {
        exchange->reply.status = 204;
        return ERR_NONE;
    }
    if ((err = authenticate(exchange)) != ERR_NONE)
        return err;
    if ((err = negotiate(exchange)) != ERR_NONE)
        return err;
    if ((err = check_parameters(exchange)) != ERR_NONE)
        return err;
    if ((err = check_key(exchange)) != ERR_NONE)
        return err;
    if ((err = body_check(exchange)) != ERR_NONE)
        return err;
    if ((err = exchange->route->ask(exchange)) != ERR_NONE)
        return err;
    if (exchange->key.bytes == NULL || exchange->state != EXCHANGE_QUERY)
        return ERR_NONE;
    exchange->query.settle = on_query_settle;
    return idempotency_begin(exchange);
}

/* --- answer --- */

/* Of what is read (RFC 9110 section 13.2.2); what changes something has them in its statement. */
static void apply_preconditions(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    struct reply *reply = &exchange->reply;

    if (reply->status != 200 || reply->version == 0 || request->method > METHOD_HEAD)
        return;
    if (!precondition_matches(request->if_match, reply->version))
        reply_problem(reply, request, ERR_PRECONDITION_FAILED, NULL, NULL);
    else if (precondition_unchanged(request->if_none_match, reply->version))
        reply->status = 304;
}

/* Who has changed something may not care to be told what it is like now (RFC 7240 section 4.2). */
static void apply_preference(struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;
    enum method method = exchange->request.method;
    enum prefer prefer = prefer_return(exchange->request.prefer);

    if (prefer == PREFER_NOTHING || reply->body.length == 0 ||
        (reply->status != 200 && reply->status != 201) ||
        (method != METHOD_POST && method != METHOD_PUT && method != METHOD_PATCH))
        return;
    reply->preference_applied =
        prefer == PREFER_MINIMAL ? "return=minimal" : "return=representation";
    if (prefer == PREFER_REPRESENTATION)
        return;
    reply->status = reply->status == 200 ? 204 : reply->status;
    reply->body.length = 0;
}

static void log_access(const struct exchange *exchange, int status, int64_t elapsed_us)
{
    char name[ROUTE_NAME_SIZE];

    log_event(LEVEL_INFO, "access", log_request(&exchange->request),
        log_str("method", method_name(exchange->request.method)),
        log_str("route",
            exchange->route == NULL ? NULL : route_name(exchange->route, name, sizeof name)),
        log_int("status", status), log_int("bytes", exchange->reply.body.length),
        log_int("elapsed_us", elapsed_us));
}

/* Counts a request that is answered with `status` or, when that is 0, not at all. */
static void count(struct exchange *exchange, int status)
{
    int64_t elapsed_us = base_now_us() - exchange->started_us;

    slot_answered(slot_of(exchange), route_index(exchange), status, elapsed_us);
    if (config_of(exchange)->log.access)
        log_access(exchange, status, elapsed_us);
}

static void finish(struct exchange *exchange, bool kept)
{
    slot_end(slot_of(exchange), exchange->entry);
    exchange->state = EXCHANGE_IDLE;
    exchange->over(exchange, kept);
}

static void finish_unanswered(struct exchange *exchange)
{
    count(exchange, 0);
    finish(exchange, false);
}

static void send_reply(struct exchange *exchange)
{
    struct reply *reply = &exchange->reply;
    struct buf head;
    bool bodiless, kept;

    stage(exchange, STAGE_ANSWER);
    apply_preconditions(exchange);
    apply_preference(exchange);
    bodiless = reply->status == 304 || exchange->request.method == METHOD_HEAD;
    buf_init(&head, exchange->arena, 512);
    reply_head(reply, &head);
    /* Before it is sent: who has an answer finds it counted. */
    count(exchange, reply->status);
    kept = fastcgi_answer(exchange->fastcgi, head.data, head.length, reply->body.data,
        bodiless ? 0 : reply->body.length, config_of(exchange)->pool.io_timeout_ms);
    finish(exchange, kept);
}

static void send_problem(struct exchange *exchange, enum err err)
{
    if (err == ERR_STEP_UP_REQUIRED)
        exchange->reply.challenge = arena_format(exchange->arena,
            "Bearer realm=\"pets-api\", error=\"insufficient_user_authentication\", max_age=%d",
            config_of(exchange)->session.step_up_s);
    reply_problem(
        &exchange->reply, &exchange->request, err, exchange->detail, &exchange->violations);
    send_reply(exchange);
}

static void on_query_done(struct query *query);
static void on_query_sent(struct query *query, int backend_pid);

/*
 * What PostgreSQL is told of the request. Connections of a worker that signs tokens have a name
 * that says with which key, and keep it.
 */
static void name_query(struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    struct query *query = &exchange->query;

    query->trace = request->traced && exchange->app->pools != ROUTE_OPS ? request->trace_id : NULL;
    if (exchange->app->name[0] != '\0') {
        struct buf name;

        buf_init(&name, exchange->arena, APPLICATION_NAME_SIZE);
        buf_puts(&name, exchange->app->name);
        buf_put(&name, request->trace_id, sizeof request->trace_id - 1);
        query->application = name.data;
    }
}

static enum err submit(struct exchange *exchange)
{
    struct query *query = &exchange->query;

    name_query(exchange);
    query->owner = exchange;
    query->done = on_query_done;
    query->sent = on_query_sent;
    stage(exchange, STAGE_QUEUE);
    return db_submit(exchange->app->db, query);
}

static void end_with(struct exchange *exchange, enum err err)
{
    exchange->state = EXCHANGE_RUNNING;
    if (exchange->peer_gone)
        finish_unanswered(exchange);
    else
        send_problem(exchange, err);
}

static void end_refused(struct exchange *exchange)
{
    refusal_end(exchange, exchange->refused);
    end_with(exchange, exchange->refused);
}

/* A refusal is recorded before it is told, and also when nobody waits for the answer any more. */
static void fail(struct exchange *exchange, enum err err)
{
    exchange->state = EXCHANGE_RUNNING;
    if (exchange->refused != ERR_NONE || !refusal_begin(exchange, err)) {
        end_with(exchange, err);
        return;
    }
    exchange->refused = err;
    exchange->state = EXCHANGE_QUERY;
    if (submit(exchange) != ERR_NONE)
        end_refused(exchange);
}

/* After each call of a handler: it failed, or asks for something, or has filled the reply. */
static void advance(struct exchange *exchange, enum err err)
{
    if (err == ERR_NONE && exchange->state == EXCHANGE_QUERY)
        err = submit(exchange);
    if (err != ERR_NONE)
        fail(exchange, err);
    else if (exchange->state == EXCHANGE_RUNNING)
        send_reply(exchange);
}

static void answer(struct exchange *exchange)
{
    exchange->state = EXCHANGE_RUNNING;
    exchange->step++;
    stage(exchange, STAGE_ANSWER);
    if (exchange->peer_gone) {
        finish_unanswered(exchange);
        return;
    }
    advance(exchange,
        exchange->answered ? idempotency_answer(exchange) : exchange->route->answer(exchange));
}

/*
 * A request with a key: the rows are in, and the transaction is open. The reply is made now, even
 * when the peer is gone, and stored with what was written; it is sent when both are there.
 */
static struct query *on_query_settle(struct query *query)
{
    struct exchange *exchange = query->owner;

    exchange->settled = true;
    exchange->state = EXCHANGE_RUNNING;
    exchange->err = exchange->route->answer(exchange);
    if (exchange->err == ERR_NONE && exchange->state != EXCHANGE_RUNNING)
        abort();
    exchange->state = EXCHANGE_QUERY;
    return exchange->err == ERR_NONE ? idempotency_store(exchange) : NULL;
}

static void on_query_settled(struct exchange *exchange)
{
    exchange->state = EXCHANGE_RUNNING;
    advance(exchange, exchange->err);
}

/* The key is known: what is sent is what was sent the first time. */
static void on_answered_before(struct exchange *exchange)
{
    exchange->answered = true;
    slot_count(slot_of(exchange), COUNTER_REQUESTS_REPEATED);
    idempotency_ask(exchange);
    advance(exchange, ERR_NONE);
}

static void on_query_sent(struct query *query, int backend_pid)
{
    struct exchange *exchange = query->owner;

    slot_database(slot_of(exchange), exchange->entry, (int16_t)query->statement, backend_pid);
    stage(exchange, STAGE_DATABASE);
}

/* Where in the body the database has found what it refuses. */
static void add_places(struct exchange *exchange, const char *places)
{
    while (places != NULL && *places != '\0') {
        size_t length = strcspn(places, " ");

        violation_add(&exchange->violations,
            arena_format(exchange->arena, "%.*s", (int)length, places), NULL, "taken",
            "It is taken already.");
        places += length;
        places += strspn(places, " ");
    }
}

static void query_failed(struct exchange *exchange)
{
    add_places(exchange, exchange->query.places);
    fail(exchange, exchange->query.err);
}

static void on_query_done(struct query *query)
{
    struct exchange *exchange = query->owner;

    if (exchange->refused != ERR_NONE)
        end_refused(exchange);
    else if (query->err != ERR_NONE && query->err != ERR_ANSWERED)
        query_failed(exchange);
    else if (exchange->peer_gone)
        finish_unanswered(exchange);
    else if (query->err == ERR_ANSWERED)
        on_answered_before(exchange);
    else if (exchange->settled)
        on_query_settled(exchange);
    else
        answer(exchange);
}

/* --- for handlers --- */

struct query *exchange_query(struct exchange *exchange, enum statement_id statement)
{
    const struct config *config = config_of(exchange);
    const struct route *route = exchange->route;
    struct query *query = &exchange->query;

    query_init(query, exchange->arena, statement);
    if (route->access != ACCESS_PUBLIC)
        query_identity(
            query, &(struct identity){.session = exchange->principal.session,
                       .account = exchange->principal.account,
                       .key_hash = exchange->principal.key ? exchange->principal.key_hash : NULL,
                       .need_scope = route->scope,
                       .need_role = route->access == ACCESS_ADMIN ? "ADMIN" : NULL,
                       .need_mfa = config->mfa.required,
                       .max_age_s = route->step_up ? config->session.step_up_s : 0});
    exchange->state = EXCHANGE_QUERY;
    return query;
}

void exchange_wait(
    struct exchange *exchange, enum stage waiting, void (*cancel)(struct exchange *exchange))
{
    exchange->state = EXCHANGE_WAIT;
    exchange->cancel = cancel;
    stage(exchange, waiting);
}

void exchange_resume(struct exchange *exchange)
{
    answer(exchange);
}

/* --- for the server --- */

static void begin(struct exchange *exchange)
{
    exchange->started_us = base_now_us();
    exchange->entry = slot_begin(slot_of(exchange), exchange->started_us);
    exchange->state = EXCHANGE_RUNNING;
    exchange->route = NULL;
    memset(&exchange->id, 0, sizeof exchange->id);
    exchange->detail = NULL;
    exchange->step = 0;
    exchange->memory = NULL;
    exchange->slow_logged = exchange->peer_gone = false;
    exchange->settled = exchange->answered = false;
    exchange->key.bytes = NULL;
    exchange->refused = ERR_NONE;
    exchange->violations.arena = exchange->arena;
    exchange->violations.base = NULL;
    exchange->violations.count = 0;
    exchange->item_count = 0;
    memset(&exchange->request, 0, sizeof exchange->request);
    reply_init(&exchange->reply, exchange->arena);
}

void exchange_serve(struct exchange *exchange)
{
    const struct config *config = config_of(exchange);
    enum fastcgi_read got;
    enum err err;

    begin(exchange);
    got = fastcgi_read(exchange->fastcgi, exchange->arena, (size_t)config->http.max_body_bytes,
        &exchange->request.body, config->pool.io_timeout_ms);
    if (got != FASTCGI_REQUEST) {
        slot_count(slot_of(exchange),
            got == FASTCGI_LATE ? COUNTER_IO_TIMEOUTS : COUNTER_CONNECTIONS_BROKEN);
        slot_end(slot_of(exchange), exchange->entry);
        exchange->state = EXCHANGE_IDLE;
        exchange->over(exchange, false);
        return;
    }
    stage(exchange, STAGE_CHECK);
    err = request_read(&exchange->request, exchange->fastcgi, exchange->arena);
    slot_request(slot_of(exchange), exchange->entry, exchange->request.id, UINT16_MAX);
    advance(exchange, err != ERR_NONE ? err : ask(exchange));
}

/* Stops waiting. True when a statement may still take effect. */
static bool stop_waiting(struct exchange *exchange)
{
    bool sent = false;

    if (exchange->state == EXCHANGE_QUERY)
        sent = db_cancel(exchange->app->db, &exchange->query);
    else if (exchange->state == EXCHANGE_WAIT)
        exchange->cancel(exchange);
    exchange->state = EXCHANGE_RUNNING;
    return sent && statements[exchange->query.statement].writes;
}

void exchange_abandon(struct exchange *exchange)
{
    exchange->peer_gone = true;
    /* A statement on its way is let finish: its connection is not free before that anyway. */
    if (exchange->state == EXCHANGE_QUERY && exchange->query.connection != NULL)
        return;
    if (exchange->state != EXCHANGE_QUERY && exchange->state != EXCHANGE_WAIT)
        return;
    stop_waiting(exchange);
    finish_unanswered(exchange);
}

static void log_slow(struct exchange *exchange, int64_t elapsed_us)
{
    struct request_entry entry = {.statement = -1};
    char name[ROUTE_NAME_SIZE];

    if (exchange->entry >= 0)
        entry = slot_of(exchange)->entries[exchange->entry];
    exchange->slow_logged = true;
    slot_count(slot_of(exchange), COUNTER_SLOW_REQUESTS);
    log_event(LEVEL_WARNING, "slow_request", log_request(&exchange->request),
        log_str("route", route_name(exchange->route, name, sizeof name)),
        log_str("stage", stage_name(entry.stage)),
        log_str("statement", entry.statement < 0 ? NULL : statements[entry.statement].name),
        log_int("backend_pid", entry.backend_pid), log_int("elapsed_ms", elapsed_us / 1000));
}

void exchange_check(struct exchange *exchange, int64_t now_us)
{
    const struct config *config = config_of(exchange);
    int64_t elapsed_us = now_us - exchange->started_us;

    if (exchange->state != EXCHANGE_QUERY && exchange->state != EXCHANGE_WAIT)
        return;
    if (config->pool.slow_request_ms > 0 && !exchange->slow_logged &&
        elapsed_us > (int64_t)config->pool.slow_request_ms * 1000)
        log_slow(exchange, elapsed_us);
    if (elapsed_us > (int64_t)config->pool.request_timeout_ms * 1000) {
        bool unknown = stop_waiting(exchange);

        slot_count(slot_of(exchange), COUNTER_REQUEST_TIMEOUTS);
        if (exchange->refused != ERR_NONE)
            end_refused(exchange);
        else
            send_problem(exchange, unknown ? ERR_OUTCOME_UNKNOWN : ERR_TIMED_OUT);
    }
}
