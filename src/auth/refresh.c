/*
 * refresh.c: see the header for the form. A key is changed by a reload, and until the last worker
 * of the generation before has left there are workers that make tokens with one key and workers
 * that make them with another; each must be able to derive what the others have.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "auth/refresh.h"

#include <endian.h>

enum { PREFIX_LENGTH = sizeof REFRESH_PREFIX - 1, GENERATION_AT = 16, MAC_AT = 20 };

static int hash_text(struct refresh_token *token)
{
    return EVP_Digest(token->text, REFRESH_LENGTH, token->hash, NULL, EVP_sha256(), NULL) == 1 ? 0
                                                                                               : -1;
}

int refresh_make(const struct server_key *key, const struct uuid *session, int32_t generation,
    struct refresh_token *token)
{
    uint32_t big = htobe32((uint32_t)generation);
    uint8_t bytes[REFRESH_BYTES];

    token->session = *session;
    token->generation = generation;
    memcpy(bytes, session->bytes, GENERATION_AT);
    memcpy(bytes + GENERATION_AT, &big, sizeof big);
    if (server_key_mac(key, bytes, MAC_AT, bytes + MAC_AT) != 0)
        return -1;
    memcpy(token->text, REFRESH_PREFIX, PREFIX_LENGTH);
    base64url_encode(bytes, sizeof bytes, token->text + PREFIX_LENGTH);
    explicit_bzero(bytes, sizeof bytes);
    return hash_text(token);
}

/* Whether one of the keys has made this token. */
static bool made_by(const struct refresh_keys *keys, const uint8_t bytes[REFRESH_BYTES])
{
    uint8_t mac[SERVER_MAC_SIZE];
    bool made = false;

    for (size_t i = 0; i < keys->count && !made; i++)
        made = server_key_mac(&keys->key[i], bytes, MAC_AT, mac) == 0 &&
               CRYPTO_memcmp(mac, bytes + MAC_AT, sizeof mac) == 0;
    explicit_bzero(mac, sizeof mac);
    return made;
}

bool refresh_parse(const struct refresh_keys *keys, const char *text, size_t length,
    struct refresh_token *token, bool *genuine)
{
    uint8_t bytes[REFRESH_BYTES];
    uint32_t big;

    if (length != REFRESH_LENGTH || memcmp(text, REFRESH_PREFIX, PREFIX_LENGTH) != 0 ||
        base64url_decode(text + PREFIX_LENGTH, length - PREFIX_LENGTH, bytes, sizeof bytes) !=
            (ssize_t)sizeof bytes)
        return false;
    memcpy(token->text, text, length);
    token->text[length] = '\0';
    memcpy(token->session.bytes, bytes, GENERATION_AT);
    memcpy(&big, bytes + GENERATION_AT, sizeof big);
    token->generation = (int32_t)(be32toh(big) & INT32_MAX);
    *genuine = be32toh(big) < INT32_MAX && made_by(keys, bytes);
    return be32toh(big) < INT32_MAX && hash_text(token) == 0;
}

/* Those that a configuration names; `found` has room for two. Their number, or -1. */
static int read_keys(
    struct server_key *found, const struct config *config, char *error, size_t size)
{
    const char *previous = config->session.previous_refresh_key_file;

    if (server_key_read(
            config->session.refresh_key_file, REFRESH_PURPOSE, &found[0], error, size) != 0)
        return -1;
    if (previous[0] == '\0')
        return 1;
    return server_key_read(previous, REFRESH_PURPOSE, &found[1], error, size) == 0 ? 2 : -1;
}

int refresh_keys_read(
    struct refresh_keys *keys, const struct config *config, char *error, size_t size)
{
    int count = read_keys(keys->key, config, error, size);

    keys->count = count > 0 ? (size_t)count : 0;
    return count > 0 ? 0 : -1;
}

static bool knows(const struct refresh_keys *keys, const struct server_key *key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (CRYPTO_memcmp(keys->key[i].bytes, key->bytes, sizeof key->bytes) == 0)
            return true;
    return false;
}

/* Behind the first one; the oldest gives way when there are too many. */
static void add(struct refresh_keys *keys, const struct server_key *key)
{
    if (keys->count < REFRESH_KEYS_MAX)
        keys->count++;
    for (size_t i = keys->count - 1; i > 1; i--)
        keys->key[i] = keys->key[i - 1];
    keys->key[1] = *key;
}

int refresh_keys_learn(
    struct refresh_keys *keys, const struct config *config, char *error, size_t size)
{
    struct config *current = config_read(config->path, error, size);
    struct server_key found[2];
    int learnt = 0;
    int count;

    if (current == NULL)
        return -1;
    count = read_keys(found, current, error, size);
    for (int i = 0; i < count; i++)
        if (!knows(keys, &found[i])) {
            add(keys, &found[i]);
            learnt = 1;
        }
    explicit_bzero(found, sizeof found);
    config_free(current);
    return count < 0 ? -1 : learnt;
}
