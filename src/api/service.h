/*
 * service.h: what the handlers of a pool share: made once a worker, borrowed by every request.
 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include "auth/hasher.h"
#include "auth/keys.h"
#include "auth/password.h"
#include "auth/token.h"
#include "http/exchange.h"

struct service {
    const struct config *config;
    struct scoreboard *scoreboard;
    struct slot *slot;
    struct keys *keys;               /* NULL in the ops worker */
    struct token_verifier *verifier; /* the same */
    struct pepper *pepper;           /* auth pool only */
    struct hasher *hasher;           /* auth pool only */
    int listen_fd;                   /* of the pool, for its queue depth; -1 unknown */
};

static inline struct service *service_of(const struct exchange *exchange)
{
    return exchange->app->service;
}

#endif
