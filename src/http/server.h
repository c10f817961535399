/*
 * server.h: the listener of a worker and its kept connections.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/exchange.h"

struct server;

/*
 * Listens on worker->listen_fd and serves `app`, until the worker is asked to leave and its
 * connections are gone. Sets worker->on_leave. NULL with errno. Caller frees after the loop has
 * ended.
 */
struct server *server_new(struct worker *worker, struct app *app);
void server_free(struct server *server);

#endif
