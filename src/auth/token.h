/*
 * token.h: access tokens: JWTs (RFC 7519) with the profile of RFC 9068: ES256, typ at+jwt. This
 * program is their only issuer, so the verifier accepts exactly what token_issue writes: a header
 * is compared byte by byte, the signature is checked before the claims are parsed, and then every
 * claim is checked. A token carries no role: the database knows it.
 *
 * A token's text is not its identity (an ECDSA signature can be turned into another valid one by
 * anybody); use the jti.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "auth/keys.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"

enum { TOKEN_LENGTH_MAX = 4096 };

/* Times are seconds since 1970. */
struct claims {
    struct uuid account; /* sub */
    struct uuid session; /* sid */
    struct uuid id;      /* jti */
    int64_t issued;      /* iat */
    int64_t not_before;  /* nbf; 0: none */
    int64_t expires;     /* exp */
};

struct token_verifier;

/*
 * Borrows both for its life; has a cache of its own. When there is a signing key it issues and
 * verifies a probe. NULL on an error, with one line for people in `error`. Caller frees.
 */
struct token_verifier *token_verifier_new(
    const struct config *config, const struct keys *keys, char *error, size_t size);
void token_verifier_free(struct token_verifier *verifier);

/*
 * ERR_NONE, ERR_TOKEN_EXPIRED (genuine, but over), ERR_TOKEN_INVALID, or ERR_INTERNAL when the
 * cryptographic library fails; `claims` is meaningful only with ERR_NONE. `token` needs no NUL.
 * When the token is in the cache nothing is allocated but OpenSSL's own state of a digest.
 */
enum err token_verify(struct token_verifier *verifier, const char *token, size_t length,
    int64_t now, struct claims *claims);

/* Whether the last token_verify found the signature in the cache (COUNTER_TOKENS_CACHED). */
bool token_was_cached(const struct token_verifier *verifier);

/* Whether the last token_verify refused what looks like a token of ours, but for a kid not known.
 */
bool token_was_unknown(const struct token_verifier *verifier);

/* The keys have changed (keys_renew): forgets all tokens, and accepts those of the keys of now. */
void token_verifier_renew(struct token_verifier *verifier);

/*
 * A signed token, NUL-terminated, owned by the arena; NULL when there is no signing key or a
 * library fails (logged).
 */
char *token_issue(const struct config *config, const struct keys *keys, const struct claims *claims,
    struct arena *arena);

#endif
