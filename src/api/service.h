/*
 * service.h: what the handlers of a pool share: made once a worker, borrowed by every request; and
 * the few things that several resources do with it.
 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include "auth/grant.h"
#include "auth/hasher.h"
#include "auth/link.h"
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
    struct server_key refresh_key;   /* auth pool only */
    struct server_key link_key;      /* the same, when mail is sent */
    int listen_fd;                   /* of the pool, for its queue depth; -1 unknown */
};

static inline struct service *service_of(const struct exchange *exchange)
{
    return exchange->app->service;
}

/*
 * Hands a job to the hashing thread and waits for it; the handler is called again. The job is in
 * the arena, with its kind, password and hash set. `exchange->memory` may be anything.
 */
enum err service_hash(struct exchange *exchange, struct hash_job *job);

/* Fills the reply with an access and a refresh token. -1 when a library fails (logged). */
int service_grant(struct exchange *exchange, const struct grant *grant);

/* Binds the id of a message that is to tell what is done: null when no mail is sent. */
void service_bind_mail(const struct exchange *exchange, struct query *query);

/* Fills the reply with 202: whatever comes of it is told by mail, and to the address alone. */
void service_accepted(struct exchange *exchange);

/* A link that is not good: logs it; returns ERR_LINK_INVALID. */
enum err service_link_refused(const struct exchange *exchange, const char *purpose);

#endif
