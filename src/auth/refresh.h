/*
 * refresh.h: refresh tokens: opaque to clients, "pr_" and base64url of session, generation and a
 * MAC of both (256 bits). A token is derived, not drawn: so the same successor can be given twice,
 * when an answer was lost, though the database holds nothing but hashes. The prefix is for secret
 * scanners.
 */
#ifndef AUTH_REFRESH_H
#define AUTH_REFRESH_H

#include "auth/base64url.h"
#include "auth/server_key.h"
#include "base/config.h"
#include "base/uuid.h"

#define REFRESH_PREFIX  "pr_"
#define REFRESH_PURPOSE "pets-api refresh token"

enum {
    REFRESH_BYTES = 16 + 4 + SERVER_MAC_SIZE,
    REFRESH_LENGTH = sizeof REFRESH_PREFIX - 1 + BASE64URL_LENGTH(REFRESH_BYTES),
    REFRESH_HASH_SIZE = 32
};

enum { REFRESH_KEYS_MAX = 4 };

/* Those that a worker knows: the first makes new tokens, any may have made an older one. */
struct refresh_keys {
    size_t count;
    struct server_key key[REFRESH_KEYS_MAX];
};

struct refresh_token {
    struct uuid session;
    int32_t generation; /* from 0 */
    char text[REFRESH_LENGTH + 1];
    uint8_t hash[REFRESH_HASH_SIZE]; /* SHA-256 of the text: what is stored */
};

/* The token of this session and generation. -1 when the library fails. */
int refresh_make(const struct server_key *key, const struct uuid *session, int32_t generation,
    struct refresh_token *token);

/*
 * Takes a token apart; false when it has not the form of one. `*genuine`: it was made with one of
 * these keys (one that was made with another, before the key was changed, may be good all the
 * same).
 */
bool refresh_parse(const struct refresh_keys *keys, const char *text, size_t length,
    struct refresh_token *token, bool *genuine);

/*
 * The keys of session.refresh_key_file and, if it is set, session.previous_refresh_key_file. -1 on
 * an error, with one line for people in `error`. Wipe them with explicit_bzero.
 */
int refresh_keys_read(
    struct refresh_keys *keys, const struct config *config, char *error, size_t size);

/*
 * Reads the configuration file anew, and learns the keys that it names and that are not known yet:
 * workers of a later generation may have them already. The first key stays. 1 when there are others
 * now, 0 when not; -1, and everything stays, on an error, with one line for people in `error`.
 */
int refresh_keys_learn(
    struct refresh_keys *keys, const struct config *config, char *error, size_t size);

#endif
