/*
 * bookmark.c: tag, sealed position. There is one for every page of every list, far more than random
 * nonces are good for; AES-SIV needs none: the tag is made of all that is authenticated and takes
 * the place of one. A cipher that has been given its key is copied for each use, since giving it
 * the key takes most of the time.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/bookmark.h"

#include "auth/base64url.h"

enum { TAG_SIZE = 16 };

struct bookmark {
    EVP_CIPHER_CTX *sealing;
    EVP_CIPHER_CTX *opening[2]; /* current, previous; NULL: there is none */
};

/* The key is two of AES-128, one for the tag and one for the text. */
static EVP_CIPHER_CTX *keyed(const struct server_key *key, int sealing)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-SIV", NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done = cipher != NULL && context != NULL &&
               EVP_CIPHER_get_key_length(cipher) == SERVER_KEY_SIZE &&
               EVP_CipherInit_ex2(context, cipher, key->bytes, NULL, sealing, NULL) == 1;

    EVP_CIPHER_free(cipher);
    if (done)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

struct bookmark *bookmark_new(const struct server_key *current, const struct server_key *previous)
{
    struct bookmark *bookmark = calloc(1, sizeof *bookmark);

    if (bookmark == NULL)
        base_out_of_memory();
    bookmark->sealing = keyed(current, 1);
    bookmark->opening[0] = keyed(current, 0);
    bookmark->opening[1] = previous == NULL ? NULL : keyed(previous, 0);
    if (bookmark->sealing != NULL && bookmark->opening[0] != NULL &&
        (previous == NULL || bookmark->opening[1] != NULL))
        return bookmark;
    bookmark_free(bookmark);
    return NULL;
}

struct bookmark *bookmark_read(const char *current, const char *previous, char *error, size_t size)
{
    struct server_key keys[2];
    struct bookmark *bookmark = NULL;
    bool two = previous[0] != '\0';

    if (server_key_read(current, BOOKMARK_PURPOSE, &keys[0], error, size) == 0 &&
        (!two || server_key_read(previous, BOOKMARK_PURPOSE, &keys[1], error, size) == 0)) {
        bookmark = bookmark_new(&keys[0], two ? &keys[1] : NULL);
        if (bookmark == NULL)
            snprintf(error, size, "%s cannot be used: the cryptographic library failed", current);
    }
    explicit_bzero(keys, sizeof keys);
    return bookmark;
}

/* OpenSSL wipes the keys. */
void bookmark_free(struct bookmark *bookmark)
{
    if (bookmark == NULL)
        return;
    EVP_CIPHER_CTX_free(bookmark->sealing);
    for (size_t i = 0; i < countof(bookmark->opening); i++)
        EVP_CIPHER_CTX_free(bookmark->opening[i]);
    free(bookmark);
}

/* A copy of a keyed cipher that has been given what is authenticated along. NULL: it failed. */
static EVP_CIPHER_CTX *begin(const EVP_CIPHER_CTX *keyed, const struct text *context)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written;

    if (cipher != NULL && context->length <= INT_MAX && EVP_CIPHER_CTX_copy(cipher, keyed) == 1 &&
        EVP_CipherUpdate(
            cipher, NULL, &written, (const uint8_t *)context->bytes, (int)context->length) == 1)
        return cipher;
    EVP_CIPHER_CTX_free(cipher);
    return NULL;
}

char *bookmark_make(const struct bookmark *bookmark, struct arena *arena,
    const struct text *context, const struct text *position)
{
    size_t size = TAG_SIZE + position->length;
    uint8_t *sealed = arena_alloc(arena, size), *text = sealed + TAG_SIZE;
    EVP_CIPHER_CTX *cipher;
    int written, rest;
    bool done;
    char *out;

    if (position->length == 0 || position->length > INT_MAX)
        return NULL;
    cipher = begin(bookmark->sealing, context);
    done = cipher != NULL &&
           EVP_CipherUpdate(cipher, text, &written, (const uint8_t *)position->bytes,
               (int)position->length) == 1 &&
           EVP_CipherFinal_ex(cipher, text + written, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, sealed) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (!done)
        return NULL;
    out = arena_alloc(arena, BASE64URL_LENGTH(size) + 1);
    base64url_encode(sealed, size, out);
    return out;
}

static bool open_with(const EVP_CIPHER_CTX *keyed, const struct text *context, uint8_t *sealed,
    size_t length, uint8_t *position)
{
    EVP_CIPHER_CTX *cipher = begin(keyed, context);
    int written, rest;
    bool good = cipher != NULL &&
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, sealed) == 1 &&
                EVP_CipherUpdate(cipher, position, &written, sealed + TAG_SIZE, (int)length) == 1 &&
                EVP_CipherFinal_ex(cipher, position + written, &rest) == 1;

    EVP_CIPHER_CTX_free(cipher);
    return good;
}

bool bookmark_open(const struct bookmark *bookmark, struct arena *arena, const struct text *context,
    const struct text *text, struct text *position)
{
    uint8_t *sealed = arena_alloc(arena, text->length + 1);
    uint8_t *opened = arena_alloc(arena, text->length + 1);
    ssize_t size = base64url_decode(text->bytes, text->length, sealed, text->length);
    size_t length;

    if (size <= TAG_SIZE || size > INT_MAX)
        return false;
    length = (size_t)size - TAG_SIZE;
    for (size_t i = 0; i < countof(bookmark->opening); i++) {
        if (bookmark->opening[i] == NULL ||
            !open_with(bookmark->opening[i], context, sealed, length, opened))
            continue;
        *position = (struct text){(const char *)opened, length};
        return true;
    }
    return false;
}
