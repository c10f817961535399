/*
 * token_cache.h: tokens whose signature has been checked, by the SHA-256 of their text. Verifying
 * ES256 costs more than all other work of a request; a client uses a token many times. Constant
 * memory, no allocation of its own after token_cache_new. It says only that the signature was good
 * and what was claimed; whether the times are right is for the caller to check, each time.
 */
#ifndef AUTH_TOKEN_CACHE_H
#define AUTH_TOKEN_CACHE_H

#include "auth/token.h"

enum { TOKEN_CACHE_ENTRIES = 4096, TOKEN_CACHE_WAYS = 4 };

struct token_digest {
    uint8_t bytes[32];
};

struct token_cache;

/* NULL when the library fails. Caller frees. */
struct token_cache *token_cache_new(void);
void token_cache_free(struct token_cache *cache);

/* SHA-256 of a token; -1 when the library fails. */
int token_cache_digest(
    struct token_cache *cache, const char *token, size_t length, struct token_digest *digest);

/* The claims of a token put before, borrowed until the next put; or NULL. */
const struct claims *token_cache_find(struct token_cache *cache, const struct token_digest *digest);

/* Remembers; in a full set the entry that was not used for the longest time goes. */
void token_cache_put(
    struct token_cache *cache, const struct token_digest *digest, const struct claims *claims);

/* Forgets everything: the keys have changed. */
void token_cache_clear(struct token_cache *cache);

#endif
