/*
 * challenge.h: the token between the two steps of a login: the password was right, the second
 * factor is awaited. It is drawn at random and says nothing: it is no access token and no refresh
 * token, has the form of neither, and the one statement that knows its hash lets a login go on. The
 * prefix is for secret scanners.
 */
#ifndef AUTH_CHALLENGE_H
#define AUTH_CHALLENGE_H

#include "auth/base64url.h"

#define CHALLENGE_PREFIX "pm_"

enum {
    CHALLENGE_BYTES = 32,
    CHALLENGE_LENGTH = sizeof CHALLENGE_PREFIX - 1 + BASE64URL_LENGTH(CHALLENGE_BYTES),
    CHALLENGE_HASH_SIZE = 32,
    CHALLENGE_LIFETIME_S = 300
};

struct challenge {
    char text[CHALLENGE_LENGTH + 1];
    uint8_t hash[CHALLENGE_HASH_SIZE]; /* SHA-256 of the text: what is stored */
};

/* A new one. Aborts when the kernel has no randomness; -1 when the library fails. */
int challenge_make(struct challenge *challenge);

/* False when it has not the form of one, or the library fails. */
bool challenge_parse(struct challenge *challenge, const char *text, size_t length);

#endif
