/*
 * keys.h: the public keys that tokens may be signed with, and, in the auth pool, the key that signs
 * them. A key is known by its kid, the RFC 7638 thumbprint; a file KID.pub.pem whose name is not
 * the thumbprint of what it holds is refused, so a key cannot be slipped in under another's name.
 * A change of keys is a reload, which starts new workers; but a worker that meets a kid which it
 * does not know may look for new public keys by itself, so that pools need not be reloaded in any
 * order.
 */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "base/config.h"
#include "auth/key.h"

enum {
    KEYS_MAX = 16,       /* in one directory; rotation needs two or three */
    KEYS_MAX_AGE_S = 300 /* how long others may keep the JWK set: Cache-Control */
};

struct keys;

/*
 * Every *.pub.pem of token.public_keys_dir, and token.signing_key_file when it is set (its public
 * half must be among the former). Refuses a directory or a file that group or others may write: who
 * can write there can mint tokens. NULL on an error, with one line for people in `error`. Caller
 * frees.
 */
struct keys *keys_load(const struct config *config, char *error, size_t size);
void keys_free(struct keys *keys);

/*
 * Reads token.public_keys_dir again, with the same rules; the signing key stays, and its public
 * half must. 1 when there are other keys now: whatever was borrowed is gone. 0 when nothing has
 * changed. -1, and everything stays, on an error, with one line for people in `error`.
 */
int keys_renew(struct keys *keys, const struct config *config, char *error, size_t size);

/* The key of this kid, or NULL. Borrowed. */
struct key *keys_find(const struct keys *keys, const char *kid);

/* All of them, in the order of their kid; borrowed. */
size_t keys_count(const struct keys *keys);
struct key *keys_at(const struct keys *keys, size_t at);

/* The private key that signs, or NULL (api pool). Borrowed. */
struct key *keys_signing(const struct keys *keys);

/* When its public half was published in token.public_keys_dir, as the file says: seconds since
 * 1970, 0 when there is none. */
int64_t keys_signing_published(const struct keys *keys, const struct config *config);

/* The JWK set (RFC 7517) as JSON text, made once; borrowed. */
const char *keys_jwks(const struct keys *keys);

/* A number that is another one when the keys are others, positive: the entity tag of that text. */
int32_t keys_version(const struct keys *keys);

#endif
