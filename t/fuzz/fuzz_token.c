/*
 * fuzz_token.c: token_verify with hostile texts. The first byte chooses: 0, the input is the token
 * as it came; 1, it is the claims, signed by the real key, so that what lies behind the signature
 * is reached too; 2, it is the signature of a genuine header and claims. An input that is accepted
 * must be one that this program could have issued.
 */
#include "auth_fixture.h"
#include "auth/token.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1800000000 };

static struct fixture fixture;
static struct keys *keys;
static struct token_verifier *verifier;
static struct key *key;
static char header[128];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char error[512];

    (void)argc, (void)argv;
    fixture_open(&fixture);
    keys = keys_load(&fixture.config, error, sizeof error);
    verifier = keys == NULL ? NULL : token_verifier_new(&fixture.config, keys, error, sizeof error);
    if (verifier == NULL)
        abort();
    key = fixture_key(fixture.signing_file);
    fixture_close(&fixture);
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        fixture.kid);
    return 0;
}

/* Claims that were accepted are of the kind that is issued. */
static void check(enum err err, const struct claims *claims)
{
    if (err != ERR_NONE && err != ERR_TOKEN_INVALID && err != ERR_TOKEN_EXPIRED)
        abort();
    if (err == ERR_NONE && (claims->expires <= NOW - 5 || claims->issued > NOW + 5 ||
                               claims->issued <= 0 || claims->not_before > NOW + 5))
        abort();
}

static enum err verify(const char *token, size_t length)
{
    struct claims claims;
    enum err err = token_verify(verifier, token, length, NOW, &claims);

    check(err, &claims);
    /* The same again, perhaps from the cache. */
    if (token_verify(verifier, token, length, NOW, &claims) != err)
        abort();
    return err;
}

/* Nobody but the fuzzer's own signing can make a token. */
static void forge_signature(const char *signature, size_t size)
{
    static const char claims[] =
        "{\"aud\":\"pets-api\",\"exp\":1800000600,\"iat\":1800000000,"
        "\"iss\":\"https://pets.example\",\"jti\":\"0198f1e0-0000-7000-8000-000000000000\","
        "\"sid\":\"0198f1e0-0000-7000-8000-000000000000\","
        "\"sub\":\"0198f1e0-0000-7000-8000-000000000000\"}";
    char *token = fixture_forge(NULL, header, claims, sizeof claims - 1);
    size_t length = strlen(token);
    char *whole = malloc(length + size + 1);

    if (whole == NULL)
        abort();
    memcpy(whole, token, length);
    memcpy(whole + length, signature, size);
    if (verify(whole, length + size) != ERR_TOKEN_INVALID)
        abort();
    free(whole);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    char *token;

    if (size < 1)
        return 0;
    size--;
    switch (data[0] % 3) {
    case 0:
        if (verify(text, size) == ERR_NONE)
            abort();
        break;
    case 1:
        token = fixture_forge(key, header, text, size);
        verify(token, strlen(token));
        free(token);
        break;
    default:
        forge_signature(text, size);
    }
    return 0;
}
