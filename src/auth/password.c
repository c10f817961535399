/*
 * password.c: the fence of crypt(3), and the HMAC before it. crypt_rn is used because it returns
 * NULL on an error, where its older sisters may return a string that starts with an asterisk. Every
 * intermediate value is wiped, libcrypt's work area included.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/password.h"
#include "base/secret.h"

#include <crypt.h>
#include <sys/random.h>

enum {
    PEPPER_MIN = 32,
    PEPPER_MAX = 256,
    MAC_SIZE = 48,        /* SHA-384 */
    PHRASE_SIZE = 64 + 1, /* its base64: below bcrypt's 72, and without NUL */
    HASH_LENGTH = 60,     /* "$2b$12$", 22 characters of salt, 31 of hash */
    SALT_LENGTH = 7 + 22,
    SALT_BYTES = 16,
};

#define ID_PREFIX "pets-api pepper id"

struct pepper {
    char id[8 + 1];
    size_t length;
    char *bytes;
};

/* A pepper goes through base64, consoles and configuration tools: one printable line. */
static const char *problem_of(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] < 0x21 || bytes[i] > 0x7e)
            return "must be one line of printable ASCII characters without spaces";
    if (length < PEPPER_MIN)
        return "is too short for a pepper: at least 32 characters (petsctl pepper new)";
    return length > PEPPER_MAX ? "is too long for a pepper: at most 256 characters" : NULL;
}

static int set_id(struct pepper *pepper)
{
    char text[sizeof ID_PREFIX - 1 + PEPPER_MAX];
    uint8_t digest[EVP_MAX_MD_SIZE];
    int done;

    memcpy(text, ID_PREFIX, sizeof ID_PREFIX - 1);
    memcpy(text + sizeof ID_PREFIX - 1, pepper->bytes, pepper->length);
    done =
        EVP_Digest(text, sizeof ID_PREFIX - 1 + pepper->length, digest, NULL, EVP_sha256(), NULL);
    explicit_bzero(text, sizeof text);
    snprintf(pepper->id, sizeof pepper->id, "%02x%02x%02x%02x", digest[0], digest[1], digest[2],
        digest[3]);
    return done == 1 ? 0 : -1;
}

struct pepper *pepper_read(const char *path, char *error, size_t size)
{
    struct pepper *pepper;
    const char *problem;
    size_t length;
    char *bytes = secret_read(path, &length, error, size);

    if (bytes == NULL)
        return NULL;
    pepper = calloc(1, sizeof *pepper);
    if (pepper == NULL)
        base_out_of_memory();
    pepper->bytes = bytes;
    pepper->length = length;
    while (pepper->length > 0 &&
           (bytes[pepper->length - 1] == '\n' || bytes[pepper->length - 1] == '\r'))
        bytes[--pepper->length] = '\0';
    problem = problem_of(pepper->bytes, pepper->length);
    if (problem == NULL && set_id(pepper) == -1)
        problem = "cannot be used: the cryptographic library failed";
    if (problem == NULL)
        return pepper;
    snprintf(error, size, "%s %s", path, problem);
    pepper_free(pepper);
    return NULL;
}

void pepper_free(struct pepper *pepper)
{
    if (pepper == NULL)
        return;
    secret_free(pepper->bytes, pepper->length);
    free(pepper);
}

const char *pepper_id(const struct pepper *pepper)
{
    return pepper->id;
}

/* What bcrypt is given: base64 of the HMAC (48 bytes need no padding). */
static int make_phrase(
    const struct pepper *pepper, const char *password, size_t length, char phrase[PHRASE_SIZE])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    bool done = length <= INT_MAX && HMAC(EVP_sha384(), pepper->bytes, (int)pepper->length,
                                         (const uint8_t *)password, length, mac, NULL) != NULL;

    if (done)
        EVP_EncodeBlock((uint8_t *)phrase, mac, MAC_SIZE);
    explicit_bzero(mac, sizeof mac);
    return done ? 0 : -1;
}

/* bcrypt with the cost and the salt of `setting`. */
static int run(const struct pepper *pepper, const char *password, size_t length,
    const char *setting, char hash[PASSWORD_HASH_SIZE])
{
    struct crypt_data *data = calloc(1, sizeof *data);
    char phrase[PHRASE_SIZE];
    const char *result = NULL;

    if (data == NULL)
        base_out_of_memory();
    if (make_phrase(pepper, password, length, phrase) == 0)
        result = crypt_rn(phrase, setting, data, sizeof *data);
    explicit_bzero(phrase, sizeof phrase);
    if (result != NULL && strlen(result) == HASH_LENGTH)
        memcpy(hash, result, HASH_LENGTH + 1);
    else
        result = NULL;
    explicit_bzero(data, sizeof *data);
    free(data);
    return result == NULL ? -1 : 0;
}

/* "$2b$12$" and a random salt. */
static int make_setting(int cost, char setting[PASSWORD_HASH_SIZE])
{
    char salt[SALT_BYTES];

    if (cost < 1 || getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return -1;
    return crypt_gensalt_rn("$2b$", (unsigned long)cost, salt, sizeof salt, setting,
               PASSWORD_HASH_SIZE) != NULL &&
                   strlen(setting) == SALT_LENGTH
               ? 0
               : -1;
}

int password_hash(const struct pepper *pepper, const char *password, size_t length, int cost,
    char hash[PASSWORD_HASH_SIZE])
{
    char setting[PASSWORD_HASH_SIZE];

    return make_setting(cost, setting) == -1 ? -1 : run(pepper, password, length, setting, hash);
}

/* A hash of ours starts with "$2b$12$". */
static bool ours(const char *hash)
{
    return strnlen(hash, PASSWORD_HASH_SIZE) == HASH_LENGTH && strncmp(hash, "$2b$", 4) == 0;
}

int password_cost(const char *hash)
{
    return ours(hash) ? (int)strtol(hash + 4, NULL, 10) : 0;
}

bool password_outdated(
    const char *hash, const struct pepper *made_with, const struct pepper *current, int cost)
{
    return password_cost(hash) != cost || strcmp(made_with->id, current->id) != 0;
}

bool password_verify(
    const struct pepper *pepper, const char *password, size_t length, const char *hash)
{
    char made[PASSWORD_HASH_SIZE];
    bool matched;

    if (!ours(hash) || run(pepper, password, length, hash, made) == -1)
        return false;
    matched = CRYPTO_memcmp(made, hash, HASH_LENGTH) == 0;
    explicit_bzero(made, sizeof made);
    return matched;
}

int password_dummy(int cost, char hash[PASSWORD_HASH_SIZE])
{
    if (make_setting(cost, hash) == -1)
        return -1;
    /* bcrypt never ends in '9': the last of the 31 characters has two bits that are always zero. */
    memset(hash + SALT_LENGTH, '9', HASH_LENGTH - SALT_LENGTH);
    hash[HASH_LENGTH] = '\0';
    return 0;
}

void password_even_out(const struct pepper *pepper, const char *hash, int cost)
{
    char dummy[PASSWORD_HASH_SIZE];
    int made_at = password_cost(hash);

    /* 2^10 + (2^10 + 2^11) = 2^12: each step costs twice as much as the one before. */
    for (int step = made_at; step > 0 && step < cost; step++)
        if (password_dummy(step, dummy) == 0)
            password_verify(pepper, "", 0, dummy);
}
