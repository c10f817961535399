/*
 * api_key.h: the text of an API key: "pk_" and base64url of account, key id and 256 random bits.
 * The prefix is for secret scanners; account and id are in it so that one round trip finds the key
 * and acts for its account.
 */
#ifndef AUTH_API_KEY_H
#define AUTH_API_KEY_H

#include "auth/base64url.h"
#include "base/uuid.h"

#define API_KEY_PREFIX "pk_"

enum {
    API_KEY_BYTES = 16 + 16 + 32,
    API_KEY_LENGTH = sizeof API_KEY_PREFIX - 1 + BASE64URL_LENGTH(API_KEY_BYTES),
    API_KEY_HASH_SIZE = 32
};

struct api_key {
    struct uuid account;
    struct uuid id;
    char text[API_KEY_LENGTH + 1];
    uint8_t hash[API_KEY_HASH_SIZE]; /* SHA-256 of the text: what is stored */
};

/* A new key of this account, with a new id. -1 when a library fails. */
int api_key_make(const struct uuid *account, struct api_key *key);

/* Whether a bearer token is meant to be a key at all: it begins like one. */
bool api_key_is(const char *text, size_t length);

/* Takes a key apart; false when it has not the form of one. Only the database knows whether it is
 * one. */
bool api_key_parse(const char *text, size_t length, struct api_key *key);

#endif
