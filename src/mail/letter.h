/*
 * letter.h: from a row of the outbox to a message: the template of its kind is filled in. Only what
 * the service itself knows goes in (times, addresses of the network, links), never a name or
 * another text that somebody may have chosen: a stranger cannot have us write his words to others.
 */
#ifndef MAIL_LETTER_H
#define MAIL_LETTER_H

#include "auth/server_key.h"
#include "base/arena.h"
#include "base/config.h"
#include "base/uuid.h"
#include "mail/message.h"

/* A row; all borrowed. Times are microseconds since 2000, as PostgreSQL sends them. */
struct letter {
    struct uuid id;
    const char *kind;
    const char *recipient;
    const struct uuid *link; /* NULL: none */
    const char *address;     /* of the network; NULL: not known */
    int64_t created_us;
    int64_t expires_us; /* of the link */
};

/*
 * Fills the message in; its strings are the letter's, the configuration's or the arena's. The token
 * of a link is derived from its id and the key. -1 when the kind is not known, when a link is
 * missing, or when a library fails.
 */
int letter_compose(const struct letter *letter, const struct config *config,
    const struct server_key *key, struct arena *arena, struct message *message);

#endif
