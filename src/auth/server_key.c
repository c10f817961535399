/*
 * server_key.c: HKDF-SHA-256 without salt: what is in the file is random already.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

#include "auth/server_key.h"
#include "base/secret.h"

enum { SECRET_MIN = 32, SECRET_MAX = 256, ID_BYTES = 4 };

/* A secret goes through base64, consoles and configuration tools: one printable line. */
static const char *problem_of(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] < 0x21 || line[i] > 0x7e)
            return "must be one line of printable ASCII characters without spaces";
    if (length < SECRET_MIN)
        return "is too short for a secret: at least 32 characters (petsctl secret new)";
    return length > SECRET_MAX ? "is too long for a secret: at most 256 characters" : NULL;
}

static int derive(const char *line, const char *purpose, void *out, size_t size)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    int done =
        context != NULL && EVP_PKEY_derive_init(context) == 1 &&
        EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
        EVP_PKEY_CTX_set1_hkdf_key(context, (const uint8_t *)line, (int)strlen(line)) == 1 &&
        EVP_PKEY_CTX_add1_hkdf_info(context, (const uint8_t *)purpose, (int)strlen(purpose)) == 1 &&
        EVP_PKEY_derive(context, out, &size) == 1;

    EVP_PKEY_CTX_free(context);
    return done ? 0 : -1;
}

int server_key_read(
    const char *path, const char *purpose, struct server_key *key, char *error, size_t size)
{
    char *line = secret_read_line(path, error, size);
    uint8_t id[ID_BYTES];
    const char *problem;

    if (line == NULL)
        return -1;
    problem = problem_of(line, strlen(line));
    if (problem == NULL && (derive(line, purpose, key->bytes, sizeof key->bytes) != 0 ||
                               derive(line, "pets-api key id", id, sizeof id) != 0))
        problem = "cannot be used: the cryptographic library failed";
    secret_free(line, strlen(line));
    if (problem != NULL) {
        snprintf(error, size, "%s %s", path, problem);
        return -1;
    }
    snprintf(key->id, sizeof key->id, "%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
    return 0;
}

int server_key_mac(
    const struct server_key *key, const void *bytes, size_t length, uint8_t mac[SERVER_MAC_SIZE])
{
    return HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, bytes, length, mac, NULL) == NULL ? -1
                                                                                               : 0;
}
