/*
 * seal.c: what the program does with OpenSSL's AES-GCM. A sealed secret is the nonce, the text, the
 * tag. The id of the key is authenticated too, although another key would not open it anyway: then
 * a row says exactly what was sealed, or nothing.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/seal.h"

#include <sys/random.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16 };

_Static_assert(SEAL_OVERHEAD == NONCE_SIZE + TAG_SIZE, "a nonce and a tag are added");

struct seal {
    struct server_key current;
    struct server_key previous; /* its id is empty: there is none */
};

struct seal *seal_new(const struct server_key *current, const struct server_key *previous)
{
    struct seal *seal = calloc(1, sizeof *seal);

    if (seal == NULL)
        base_out_of_memory();
    seal->current = *current;
    if (previous != NULL)
        seal->previous = *previous;
    return seal;
}

struct seal *seal_read(
    const char *current, const char *previous, const char *purpose, char *error, size_t size)
{
    struct server_key keys[2];
    struct seal *seal = NULL;
    bool two = previous[0] != '\0';

    if (server_key_read(current, purpose, &keys[0], error, size) == 0 &&
        (!two || server_key_read(previous, purpose, &keys[1], error, size) == 0))
        seal = seal_new(&keys[0], two ? &keys[1] : NULL);
    explicit_bzero(keys, sizeof keys);
    return seal;
}

void seal_free(struct seal *seal)
{
    if (seal == NULL)
        return;
    explicit_bzero(seal, sizeof *seal);
    free(seal);
}

const char *seal_key_id(const struct seal *seal)
{
    return seal->current.id;
}

/* A cipher that has been given key, nonce, and what is authenticated along. NULL: it failed. */
static EVP_CIPHER_CTX *begin(
    const struct server_key *key, const uint8_t *nonce, const struct uuid *account, bool encrypt)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written;

    if (context != NULL &&
        EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key->bytes, nonce, encrypt, NULL) == 1 &&
        EVP_CipherUpdate(context, NULL, &written, (const uint8_t *)key->id, (int)strlen(key->id)) ==
            1 &&
        EVP_CipherUpdate(context, NULL, &written, account->bytes, sizeof account->bytes) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

int seal_close(const struct seal *seal, const struct uuid *account, const void *secret,
    size_t length, uint8_t *sealed)
{
    uint8_t *text = sealed + NONCE_SIZE;
    EVP_CIPHER_CTX *context;
    int written, rest;
    bool done;

    if (length > INT_MAX || getrandom(sealed, NONCE_SIZE, 0) != NONCE_SIZE)
        return -1;
    context = begin(&seal->current, sealed, account, true);
    done = context != NULL && EVP_CipherUpdate(context, text, &written, secret, (int)length) == 1 &&
           EVP_CipherFinal_ex(context, text + written, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, text + length) == 1;
    EVP_CIPHER_CTX_free(context);
    return done ? 0 : -1;
}

static const struct server_key *find(const struct seal *seal, const char *id, size_t length)
{
    const struct server_key *const keys[] = {&seal->current, &seal->previous};

    for (size_t i = 0; i < countof(keys); i++)
        if (length > 0 && strlen(keys[i]->id) == length && memcmp(keys[i]->id, id, length) == 0)
            return keys[i];
    return NULL;
}

enum seal_result seal_open(const struct seal *seal, const struct uuid *account, const char *id,
    size_t id_length, const void *sealed, size_t sealed_length, void *secret, size_t length)
{
    const struct server_key *key = find(seal, id, id_length);
    const uint8_t *nonce = sealed;
    const uint8_t *text = nonce + NONCE_SIZE;
    uint8_t tag[TAG_SIZE];
    EVP_CIPHER_CTX *context;
    int written, rest;
    bool done;

    if (key == NULL)
        return SEAL_UNKNOWN_KEY;
    if (length > INT_MAX || sealed_length != length + SEAL_OVERHEAD)
        return SEAL_BROKEN;
    memcpy(tag, text + length, TAG_SIZE);
    context = begin(key, nonce, account, false);
    done = context != NULL && EVP_CipherUpdate(context, secret, &written, text, (int)length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_CipherFinal_ex(context, (uint8_t *)secret + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!done)
        explicit_bzero(secret, length);
    return done ? SEAL_OPENED : SEAL_BROKEN;
}
