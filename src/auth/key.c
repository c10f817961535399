/*
 * key.c: what the program does with OpenSSL's EVP for its tokens, all of it. The PEM text is parsed
 * once (that alone costs as much as a signature check, and a library that is given PEM for every
 * token pays it every time), and the contexts for signing and checking are made once and used
 * again. OpenSSL speaks DER, JOSE the two numbers side by side; the conversion is here.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "auth/key.h"

enum { NUMBER_SIZE = KEY_SIGNATURE_SIZE / 2, DIGEST_SIZE = 32, DER_SIZE = 72 };

struct key {
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *verify;
    EVP_PKEY_CTX *sign; /* NULL: a public key */
    EVP_MD *sha256;
    char x[KEY_COORDINATE_LENGTH + 1];
    char y[KEY_COORDINATE_LENGTH + 1];
    char id[KEY_ID_LENGTH + 1];
};

/* OpenSSL would ask the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return -1;
}

static bool is_p256(EVP_PKEY *pkey)
{
    char group[32];

    return EVP_PKEY_is_a(pkey, "EC") == 1 &&
           EVP_PKEY_get_utf8_string_param(
               pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static int coordinate(EVP_PKEY *pkey, const char *name, char out[KEY_COORDINATE_LENGTH + 1])
{
    uint8_t bytes[NUMBER_SIZE];
    BIGNUM *number = NULL;
    int length = -1;

    if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1)
        length = BN_bn2binpad(number, bytes, sizeof bytes);
    BN_free(number);
    if (length != (int)sizeof bytes)
        return -1;
    base64url_encode(bytes, sizeof bytes, out);
    return 0;
}

static int digest(const struct key *key, const void *bytes, size_t length, uint8_t out[DIGEST_SIZE])
{
    return EVP_Digest(bytes, length, out, NULL, key->sha256, NULL) == 1 ? 0 : -1;
}

/* RFC 7638: the digest of the required members, in their order, without white space. */
static int set_thumbprint(struct key *key)
{
    uint8_t bytes[DIGEST_SIZE];
    char jwk[160];
    int length = snprintf(jwk, sizeof jwk,
        "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", key->x, key->y);

    if (length < 0 || (size_t)length >= sizeof jwk || digest(key, jwk, (size_t)length, bytes) == -1)
        return -1;
    base64url_encode(bytes, sizeof bytes, key->id);
    return 0;
}

static int set_contexts(struct key *key, bool private)
{
    key->verify = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (key->verify == NULL || EVP_PKEY_verify_init(key->verify) != 1)
        return -1;
    if (!private)
        return 0;
    key->sign = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    return key->sign != NULL && EVP_PKEY_sign_init(key->sign) == 1 ? 0 : -1;
}

/* Takes `pkey` over, also on an error. */
static struct key *key_new(EVP_PKEY *pkey, bool private)
{
    struct key *key = calloc(1, sizeof *key);

    if (key == NULL)
        base_out_of_memory();
    key->pkey = pkey;
    key->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (key->sha256 != NULL && coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x) == 0 &&
        coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y) == 0 && set_thumbprint(key) == 0 &&
        set_contexts(key, private) == 0)
        return key;
    key_free(key);
    return NULL;
}

/* Whether the point is on the curve, and for a private key, belongs to its number. */
static bool consistent(EVP_PKEY *pkey, bool private)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool good = context != NULL && EVP_PKEY_public_check(context) == 1 &&
                (!private || EVP_PKEY_pairwise_check(context) == 1);

    EVP_PKEY_CTX_free(context);
    return good;
}

static EVP_PKEY *parse(const char *pem, size_t length, bool private)
{
    BIO *bio = length > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *pkey = NULL;

    if (bio != NULL && private)
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    else if (bio != NULL)
        pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return pkey;
}

static const char *problem_of(EVP_PKEY *pkey, bool private)
{
    if (pkey == NULL)
        return private ? "is not an unencrypted private key in PEM"
                       : "is not a public key in PEM (SubjectPublicKeyInfo)";
    if (!is_p256(pkey))
        return "is not a key of the curve P-256";
    return consistent(pkey, private) ? NULL : "is a damaged key";
}

static struct key *key_read(const char *pem, size_t length, bool private, const char **problem)
{
    EVP_PKEY *pkey = parse(pem, length, private);
    struct key *key = NULL;

    *problem = problem_of(pkey, private);
    if (*problem != NULL)
        EVP_PKEY_free(pkey);
    else if ((key = key_new(pkey, private)) == NULL)
        *problem = "cannot be used: the cryptographic library failed";
    ERR_clear_error();
    return key;
}

struct key *key_read_public(const char *pem, size_t length, const char **problem)
{
    return key_read(pem, length, false, problem);
}

struct key *key_read_private(const char *pem, size_t length, const char **problem)
{
    return key_read(pem, length, true, problem);
}

struct key *key_generate(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");

    return pkey == NULL ? NULL : key_new(pkey, true);
}

void key_free(struct key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(key->sign);
    EVP_PKEY_CTX_free(key->verify);
    EVP_MD_free(key->sha256);
    EVP_PKEY_free(key->pkey);
    free(key);
}

const char *key_id(const struct key *key)
{
    return key->id;
}

const char *key_x(const struct key *key)
{
    return key->x;
}

const char *key_y(const struct key *key)
{
    return key->y;
}

static ssize_t key_write(const struct key *key, bool private, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem()); /* wipes what it held when it is freed */
    const char *text;
    ssize_t length = -1;

    if (bio != NULL &&
        (private ? PEM_write_bio_PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL)
                 : PEM_write_bio_PUBKEY(bio, key->pkey)) == 1)
        length = BIO_get_mem_data(bio, &text);
    if (length > 0 && (size_t)length < size) {
        memcpy(out, text, (size_t)length);
        out[length] = '\0';
    } else {
        length = -1;
    }
    BIO_free(bio);
    return length;
}

ssize_t key_write_public(const struct key *key, char *out, size_t size)
{
    return key_write(key, false, out, size);
}

ssize_t key_write_private(const struct key *key, char *out, size_t size)
{
    return key->sign == NULL ? -1 : key_write(key, true, out, size);
}

/* The two numbers of OpenSSL's signature, each in exactly NUMBER_SIZE bytes. */
static int from_der(const uint8_t *der, size_t length, uint8_t signature[KEY_SIGNATURE_SIZE])
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    bool good =
        pair != NULL &&
        BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, NUMBER_SIZE) == NUMBER_SIZE &&
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + NUMBER_SIZE, NUMBER_SIZE) == NUMBER_SIZE;

    ECDSA_SIG_free(pair);
    return good ? 0 : -1;
}

/* The DER text of two numbers, whatever they are (zero, or too large for the curve); or -1. */
static int to_der(const uint8_t signature[KEY_SIGNATURE_SIZE], uint8_t der[DER_SIZE])
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, NUMBER_SIZE, NULL);
    BIGNUM *s = BN_bin2bn(signature + NUMBER_SIZE, NUMBER_SIZE, NULL);
    int length = -1;

    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL;
        length = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return length;
}

int key_sign(
    struct key *key, const void *bytes, size_t length, uint8_t signature[KEY_SIGNATURE_SIZE])
{
    uint8_t hash[DIGEST_SIZE];
    uint8_t der[DER_SIZE];
    size_t size = sizeof der;

    if (key->sign != NULL && digest(key, bytes, length, hash) == 0 &&
        EVP_PKEY_sign(key->sign, der, &size, hash, sizeof hash) == 1 &&
        from_der(der, size, signature) == 0)
        return 0;
    ERR_clear_error();
    return -1;
}

bool key_verify(
    struct key *key, const void *bytes, size_t length, const uint8_t signature[KEY_SIGNATURE_SIZE])
{
    uint8_t hash[DIGEST_SIZE];
    uint8_t der[DER_SIZE];
    int size = to_der(signature, der);

    if (size > 0 && digest(key, bytes, length, hash) == 0 &&
        EVP_PKEY_verify(key->verify, der, (size_t)size, hash, sizeof hash) == 1)
        return true;
    ERR_clear_error();
    return false;
}
