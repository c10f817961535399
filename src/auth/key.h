/*
 * key.h: one P-256 key: read from PEM, named by its RFC 7638 thumbprint, signs and checks ES256
 * (RFC 7518 section 3.4: the 64 bytes r||s). A key is bound to this one algorithm: there is no
 * function that would use it for another. Not for use by two threads at once.
 */
#ifndef AUTH_KEY_H
#define AUTH_KEY_H

#include "auth/base64url.h"

enum {
    KEY_ID_LENGTH = BASE64URL_LENGTH(32), /* a thumbprint: 43 characters */
    KEY_COORDINATE_LENGTH = BASE64URL_LENGTH(32),
    KEY_SIGNATURE_SIZE = 64,
};

struct key;

/*
 * A key from the text of a PEM file (SubjectPublicKeyInfo, or an unencrypted private key). NULL
 * when it is not exactly one P-256 key, with what is wrong in `*problem` (a constant text). Caller
 * frees.
 */
struct key *key_read_public(const char *pem, size_t length, const char **problem);
struct key *key_read_private(const char *pem, size_t length, const char **problem);

/* A new private key; NULL when the library fails. Caller frees. */
struct key *key_generate(void);

/* Wipes and frees; NULL is allowed. */
void key_free(struct key *key);

/* Thumbprint and coordinates, base64url; borrowed from the key. */
const char *key_id(const struct key *key);
const char *key_x(const struct key *key);
const char *key_y(const struct key *key);

/* The PEM text of either half, NUL-terminated, at most `size` bytes; its length, or -1. */
ssize_t key_write_public(const struct key *key, char *out, size_t size);
ssize_t key_write_private(const struct key *key, char *out, size_t size);

/* Signs with a private key. 0, or -1 when the library fails. */
int key_sign(
    struct key *key, const void *bytes, size_t length, uint8_t signature[KEY_SIGNATURE_SIZE]);

/* Whether `signature` is a signature of these bytes by this key. */
bool key_verify(
    struct key *key, const void *bytes, size_t length, const uint8_t signature[KEY_SIGNATURE_SIZE]);

#endif
