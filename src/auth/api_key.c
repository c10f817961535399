/*
 * api_key.c: see the header for the form.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/api_key.h"

#include <sys/random.h>

enum { PREFIX_LENGTH = sizeof API_KEY_PREFIX - 1, ID_AT = 16, SECRET_AT = 32 };

static int hash_text(struct api_key *key)
{
    return EVP_Digest(key->text, API_KEY_LENGTH, key->hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

int api_key_make(const struct uuid *account, struct api_key *key)
{
    uint8_t bytes[API_KEY_BYTES];
    size_t random = sizeof bytes - SECRET_AT;

    key->account = *account;
    uuid_v7(&key->id);
    memcpy(bytes, account->bytes, ID_AT);
    memcpy(bytes + ID_AT, key->id.bytes, SECRET_AT - ID_AT);
    if (getrandom(bytes + SECRET_AT, random, 0) != (ssize_t)random)
        return -1;
    memcpy(key->text, API_KEY_PREFIX, PREFIX_LENGTH);
    base64url_encode(bytes, sizeof bytes, key->text + PREFIX_LENGTH);
    explicit_bzero(bytes, sizeof bytes);
    return hash_text(key);
}

bool api_key_is(const char *text, size_t length)
{
    return length >= PREFIX_LENGTH && memcmp(text, API_KEY_PREFIX, PREFIX_LENGTH) == 0;
}

bool api_key_parse(const char *text, size_t length, struct api_key *key)
{
    uint8_t bytes[API_KEY_BYTES];

    if (length != API_KEY_LENGTH || !api_key_is(text, length) ||
        base64url_decode(text + PREFIX_LENGTH, length - PREFIX_LENGTH, bytes, sizeof bytes) !=
            (ssize_t)sizeof bytes)
        return false;
    memcpy(key->text, text, length);
    key->text[length] = '\0';
    memcpy(key->account.bytes, bytes, ID_AT);
    memcpy(key->id.bytes, bytes + ID_AT, SECRET_AT - ID_AT);
    explicit_bzero(bytes, sizeof bytes);
    return hash_text(key) == 0;
}
