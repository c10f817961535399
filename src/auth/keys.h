/*
 * keys.h: the public keys that tokens may be signed with, and, in the auth pool, the key that signs
 * them. A key is known by its kid, the RFC 7638 thumbprint; a file KID.pub.pem whose name is not
 * the thumbprint of what it holds is refused, so a key cannot be slipped in under another's name.
 * Loaded once in a worker; a change of keys is a reload, which starts new workers.
 */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "base/config.h"
#include "auth/key.h"

enum { KEYS_MAX = 16 }; /* in one directory; rotation needs two or three */

struct keys;

/*
 * Every *.pub.pem of token.public_keys_dir, and token.signing_key_file when it is set (its public
 * half must be among the former). Refuses a directory or a file that group or others may write: who
 * can write there can mint tokens. NULL on an error, with one line for people in `error`. Caller
 * frees.
 */
struct keys *keys_load(const struct config *config, char *error, size_t size);
void keys_free(struct keys *keys);

/* The key of this kid, or NULL. Borrowed. */
struct key *keys_find(const struct keys *keys, const char *kid);

/* All of them, in the order of their kid; borrowed. */
size_t keys_count(const struct keys *keys);
struct key *keys_at(const struct keys *keys, size_t at);

/* The private key that signs, or NULL (api pool). Borrowed. */
struct key *keys_signing(const struct keys *keys);

/* The JWK set (RFC 7517) as JSON text, made once; borrowed. */
const char *keys_jwks(const struct keys *keys);

#endif
