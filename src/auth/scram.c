/*
 * scram.c: the three keys of RFC 5802, section 3, one after the other; names are those of the RFC.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/scram.h"

enum { KEY_SIZE = 32, BASE64_SIZE = 48 };

static bool is_plain(const char *password, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (password[i] < 0x20 || password[i] > 0x7e)
            return false;
    return length > 0 && length <= INT_MAX;
}

static bool sign(const uint8_t key[KEY_SIZE], const char *text, uint8_t out[KEY_SIZE])
{
    unsigned size = KEY_SIZE;

    return HMAC(EVP_sha256(), key, KEY_SIZE, (const uint8_t *)text, strlen(text), out, &size) !=
           NULL;
}

static bool derive(const char *password, size_t length, const uint8_t salt[SCRAM_SALT_SIZE],
    uint8_t stored_key[KEY_SIZE], uint8_t server_key[KEY_SIZE])
{
    uint8_t salted[KEY_SIZE], client_key[KEY_SIZE];
    bool good = PKCS5_PBKDF2_HMAC(password, (int)length, salt, SCRAM_SALT_SIZE, SCRAM_ITERATIONS,
                    EVP_sha256(), KEY_SIZE, salted) == 1 &&
                sign(salted, "Client Key", client_key) && sign(salted, "Server Key", server_key) &&
                EVP_Digest(client_key, KEY_SIZE, stored_key, NULL, EVP_sha256(), NULL) == 1;

    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client_key, sizeof client_key);
    return good;
}

static void base64(const uint8_t *bytes, int length, char out[BASE64_SIZE])
{
    EVP_EncodeBlock((uint8_t *)out, bytes, length);
}

int scram_verifier(const char *password, size_t length, const uint8_t salt[SCRAM_SALT_SIZE],
    char verifier[SCRAM_VERIFIER_SIZE])
{
    uint8_t stored_key[KEY_SIZE], server_key[KEY_SIZE];
    char salt_text[BASE64_SIZE], stored_text[BASE64_SIZE], server_text[BASE64_SIZE];

    if (!is_plain(password, length) || !derive(password, length, salt, stored_key, server_key))
        return -1;
    base64(salt, SCRAM_SALT_SIZE, salt_text);
    base64(stored_key, KEY_SIZE, stored_text);
    base64(server_key, KEY_SIZE, server_text);
    snprintf(verifier, SCRAM_VERIFIER_SIZE, "SCRAM-SHA-256$%d:%s$%s:%s", SCRAM_ITERATIONS,
        salt_text, stored_text, server_text);
    explicit_bzero(server_key, sizeof server_key);
    return 0;
}
