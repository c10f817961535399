/*
 * link.h: the token of a link that proves who follows it: "pl_" and base64url of 256 bits. The
 * database holds its SHA-256 alone. The token of a link in a mail is derived from the link's id and
 * a key: whoever adds the mail to the outbox stores the hash, whoever sends it derives the token
 * anew, and in between nobody keeps it. So the key must not lie where the outbox is read by others:
 * with both, one has every link that is still good. A link that is not sent by mail is drawn by
 * chance. The prefix is for secret scanners.
 */
#ifndef AUTH_LINK_H
#define AUTH_LINK_H

#include "auth/base64url.h"
#include "auth/server_key.h"
#include "base/arena.h"
#include "base/uuid.h"

#define LINK_PREFIX  "pl_"
#define LINK_PURPOSE "pets-api link"

/* The page of the product on which somebody chooses another password. */
#define LINK_PAGE_RESET "reset-password"

enum {
    LINK_BYTES = SERVER_MAC_SIZE,
    LINK_LENGTH = sizeof LINK_PREFIX - 1 + BASE64URL_LENGTH(LINK_BYTES),
    LINK_HASH_SIZE = 32
};

/* A secret: wipe it with explicit_bzero where it need not stay. */
struct link {
    char text[LINK_LENGTH + 1];
    uint8_t hash[LINK_HASH_SIZE]; /* what is stored */
};

/* The token of the link with this id. -1 when the library fails. */
int link_derive(const struct server_key *key, const struct uuid *id, struct link *link);

/* One by chance. -1 when the library fails. */
int link_draw(struct link *link);

/*
 * The whole of it, BASE/PAGE#TOKEN: the token is behind the #, so that no server on the way ever
 * has it in its log. Owned by the arena; NULL when there is no base ("").
 */
const char *link_address(
    const struct link *link, const char *base, const char *page, struct arena *arena);

/* Takes what somebody has sent; false when it has not the form of a token. */
bool link_parse(const char *text, size_t length, struct link *link);

#endif
