/*
 * server.c: many kept connections, one loop. A connection is watched edge-triggered, once and for
 * all, so that a request costs no epoll_ctl; what stirs while its request is in flight is
 * remembered and looked at afterwards.
 *
 * The workers of a pool share the listening socket, and a kept connection stays where it was
 * accepted. So a worker that has more than its share of them leaves the next one to the others, for
 * a millisecond, and then takes it all the same: a crowd that comes at once shall not wait.
 *
 * A kept connection may always have a request on its way. Who drains therefore closes none: it
 * accepts no new one, serves what comes, and lets the web server close them (keepalive_time,
 * keepalive_timeout).
 */
#include "http/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"

enum {
    ARENA_BLOCK = 8192,
    ARENAS_KEPT = 8,
    ACCEPTS_A_TURN = 8,
    STALLED_MS = 3 * LOOP_TICK_MS,
    LEFT_MS = 1
};

struct peer {
    struct watch watch;
    struct server *server;
    struct peer *next, *previous; /* of all connections */
    struct exchange exchange;
    bool stirred; /* an event came while a request was in flight */
};

struct server {
    struct worker *worker;
    struct app *app;
    struct watch listener;
    struct tick tick;
    struct peer *connections;
    int count;
    int active;
    int64_t served;
    int64_t retire_after; /* requests; 0: never */
    bool accept_anyway;   /* one more: it was left to the others, and may still be there */
    bool leaving_now;
    struct arena *arenas[ARENAS_KEPT]; /* not in use */
    int arena_count;
};

static void on_connection(struct watch *watch, uint32_t events);

static void publish(const struct server *server)
{
    struct slot *slot = server->worker->slot;

    atomic_store_explicit(&slot->connections, (uint32_t)server->count, memory_order_relaxed);
    atomic_store_explicit(&slot->active, (uint32_t)server->active, memory_order_relaxed);
}

/* --- arenas: one for each request in flight, the last one given back first --- */

static struct arena *take_arena(struct server *server)
{
    return server->arena_count > 0 ? server->arenas[--server->arena_count] : arena_new(ARENA_BLOCK);
}

static void give_arena(struct server *server, struct arena *arena)
{
    arena_reset(arena);
    if (server->arena_count < ARENAS_KEPT)
        server->arenas[server->arena_count++] = arena;
    else
        arena_free(arena);
}

/* --- connections --- */

static void free_connection(void *object)
{
    free(object);
}

static void listen_again(struct server *server)
{
    if (!server->worker->leaving && server->listener.fd >= 0 &&
        server->count < server->worker->config->pool.max_connections)
        loop_change(server->worker->loop, &server->listener, EPOLLIN);
}

static void leave_when_empty(struct server *server)
{
    if (server->worker->leaving && server->count == 0)
        worker_done(server->worker);
}

static void close_connection(struct peer *connection)
{
    struct server *server = connection->server;

    loop_remove(server->worker->loop, &connection->watch);
    fastcgi_free(connection->exchange.fastcgi);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    server->count--;
    publish(server);
    loop_later(server->worker->loop, free_connection, connection);
    listen_again(server);
    leave_when_empty(server);
}

/* What waits on a descriptor: 1 bytes, 0 nothing yet, -1 the end. */
static int peek(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (got > 0)
        return 1;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void count_served(struct server *server)
{
    server->served++;
    if (server->retire_after > 0 && server->served == server->retire_after)
        worker_retire(server->worker);
}

static void look_again(void *object)
{
    struct peer *connection = object;

    if (connection->watch.fd >= 0 && connection->exchange.state == EXCHANGE_IDLE)
        on_connection(&connection->watch, EPOLLIN | EPOLLRDHUP);
}

/* The exchange is over. */
static void on_over(struct exchange *exchange, bool kept)
{
    struct peer *connection = container_of(exchange, struct peer, exchange);
    struct server *server = connection->server;

    give_arena(server, exchange->arena);
    exchange->arena = NULL;
    server->active--;
    publish(server);
    count_served(server);
    if (!kept || exchange->peer_gone || server->leaving_now)
        close_connection(connection);
    else if (connection->stirred)
        loop_later(server->worker->loop, look_again, connection);
    connection->stirred = false;
}

static void on_connection(struct watch *watch, uint32_t events)
{
    struct peer *connection = container_of(watch, struct peer, watch);
    struct server *server = connection->server;
    bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (connection->exchange.state != EXCHANGE_IDLE) {
        connection->stirred = true;
        if (ending)
            exchange_abandon(&connection->exchange);
        return;
    }
    if (ending) {
        int waiting = peek(watch->fd);

        if (waiting < 0)
            close_connection(connection);
        if (waiting <= 0)
            return;
    }
    /* Edge-triggered, an end is told once: it is looked at again behind the request that came with
     * it. */
    connection->stirred = ending;
    connection->exchange.arena = take_arena(server);
    server->active++;
    publish(server);
    exchange_serve(&connection->exchange);
}

static int open_connection(struct server *server, int fd)
{
    struct peer *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        base_out_of_memory();
    connection->server = server;
    connection->watch.fd = fd;
    connection->watch.ready = on_connection;
    if (loop_add(server->worker->loop, &connection->watch, EPOLLIN | EPOLLRDHUP | EPOLLET) != 0) {
        free(connection);
        return -1;
    }
    connection->exchange.app = server->app;
    connection->exchange.over = on_over;
    connection->exchange.fastcgi = fastcgi_new(fd);
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->count++;
    slot_count(server->worker->slot, COUNTER_CONNECTIONS_ACCEPTED);
    publish(server);
    return 0;
}

/* --- the listener --- */

/* Whether a worker could take a connection: it serves the same, and its loop goes round. */
static bool takes_part(const struct slot *slot, enum worker_kind kind, int64_t now_us)
{
    uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);
    int64_t alive_us = atomic_load_explicit(&slot->alive_us, memory_order_relaxed);

    return (state == WORKER_READY || state == WORKER_RETIRING) &&
           atomic_load_explicit(&slot->kind, memory_order_relaxed) == kind &&
           now_us - alive_us < INT64_C(1000) * STALLED_MS;
}

/* Whether those workers have, on average, fewer connections than this one. */
static bool over_share(const struct server *server)
{
    const struct scoreboard *board = server->worker->scoreboard;
    int64_t now_us = loop_now(server->worker->loop);
    uint64_t total = 0, workers = 0;

    for (uint32_t i = 0; i < board->slots; i++) {
        const struct slot *slot = &board->slot[i];

        if (!takes_part(slot, server->worker->kind, now_us))
            continue;
        workers++;
        total += atomic_load_explicit(&slot->connections, memory_order_relaxed);
    }
    return workers > 1 && (uint64_t)server->count * workers > total;
}

/* Accepts one. False when there is none, or it cannot be had: out of descriptors waits for the next
 * tick. */
static bool accept_one(struct server *server)
{
    int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            log_event(LEVEL_ERROR, "accept_failed", log_errno(errno));
            loop_change(server->worker->loop, &server->listener, 0);
        }
        return false;
    }
    if (open_connection(server, fd) != 0)
        close(fd);
    return true;
}

static void on_listener(struct watch *watch, uint32_t events)
{
    struct server *server = container_of(watch, struct server, listener);
    struct loop *loop = server->worker->loop;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (server->count >= server->worker->config->pool.max_connections) {
            loop_change(loop, watch, 0);
            return;
        }
        if (!server->accept_anyway && over_share(server)) {
            loop_change(loop, watch, 0);
            loop_tick_soon(loop, LEFT_MS);
            return;
        }
        server->accept_anyway = false;
        if (!accept_one(server))
            return;
    }
}

static void on_tick(struct tick *tick, int64_t now_us)
{
    struct server *server = container_of(tick, struct server, tick);
    struct peer *next;

    if (server->listener.fd >= 0 && server->listener.events == 0) {
        server->accept_anyway = true;
        listen_again(server);
    }
    for (struct peer *connection = server->connections; connection != NULL; connection = next) {
        next = connection->next;
        exchange_check(&connection->exchange, now_us);
    }
}

static void on_leave(struct worker *worker, bool now)
{
    struct server *server = worker->context;
    struct peer *next;

    /* Who has been let in by the kernel already is served, unless there is no time for it. */
    while (!now && server->listener.fd >= 0 &&
           server->count < worker->config->pool.max_connections && accept_one(server))
        continue;
    loop_remove(worker->loop, &server->listener);
    server->leaving_now = now;
    for (struct peer *connection = server->connections; now && connection != NULL;
         connection = next) {
        next = connection->next;
        if (connection->exchange.state == EXCHANGE_IDLE)
            close_connection(connection);
    }
    leave_when_empty(server);
}

struct server *server_new(struct worker *worker, struct app *app)
{
    struct server *server = calloc(1, sizeof *server);
    int64_t limit = worker->kind == WORKER_POOL ? worker->config->pool.max_requests : 0;
    struct uuid random;

    if (server == NULL)
        base_out_of_memory();
    server->worker = worker;
    server->app = app;
    server->listener.fd = worker->listen_fd;
    server->listener.ready = on_listener;
    if (loop_add(worker->loop, &server->listener, EPOLLIN) != 0) {
        free(server);
        return NULL;
    }
    /* Up to a quarter more, so that the workers of a pool do not retire together. */
    uuid_v7(&random);
    server->retire_after = limit == 0 ? 0 : limit + random.bytes[15] * limit / 1024;
    server->tick.run = on_tick;
    loop_add_tick(worker->loop, &server->tick);
    worker->on_leave = on_leave;
    worker->context = server;
    return server;
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    while (server->connections != NULL) {
        struct peer *connection = server->connections;

        server->connections = connection->next;
        fastcgi_free(connection->exchange.fastcgi);
        arena_free(connection->exchange.arena);
        free(connection);
    }
    while (server->arena_count > 0)
        arena_free(server->arenas[--server->arena_count]);
    free(server);
}
