/*
 * auth_fixture.h: a private directory with a signing key, a second public key and a configuration,
 * for the tests of tokens and keys.
 */
#ifndef T_AUTH_FIXTURE_H
#define T_AUTH_FIXTURE_H

#include "auth/keys.h"
#include "auth/token.h"

struct fixture {
    char dir[64];
    char kid[KEY_ID_LENGTH + 1];   /* signs */
    char other[KEY_ID_LENGTH + 1]; /* known, its private half too */
    char signing_file[160];
    char other_file[160];
    char public_file[160]; /* of `kid` */
    struct config config;
};

/* Aborts when anything fails. */
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* The private key in a file; caller frees. */
struct key *fixture_key(const char *file);

/* base64url(header).base64url(payload).base64url(signature by `key`; none when NULL), from malloc.
 */
char *fixture_forge(struct key *key, const char *header, const char *payload, size_t length);

/* Writes a file anew. */
void fixture_write(const char *path, const char *text, mode_t mode);

/* Reads a small file as a string, from malloc. */
char *fixture_read(const char *path);

#endif
