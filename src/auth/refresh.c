/*
 * refresh.c: see the header for the form.
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

bool refresh_parse(const struct server_key *key, const char *text, size_t length,
    struct refresh_token *token, bool *genuine)
{
    uint8_t bytes[REFRESH_BYTES];
    uint8_t mac[SERVER_MAC_SIZE];
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
    *genuine = be32toh(big) < INT32_MAX && server_key_mac(key, bytes, MAC_AT, mac) == 0 &&
               CRYPTO_memcmp(mac, bytes + MAC_AT, sizeof mac) == 0;
    explicit_bzero(mac, sizeof mac);
    return be32toh(big) < INT32_MAX && hash_text(token) == 0;
}
