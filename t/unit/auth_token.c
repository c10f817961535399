/*
 * auth_token.c: what a forger can try. Every attack starts from something genuine and changes one
 * thing; the genuine one is verified beside it, so that a refusal means what it should.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth_fixture.h"
#include "auth/token_cache.h"
#include "base/buf.h"

#include <check.h>

enum { NOW = 1800000000 };

static struct fixture fixture;
static struct keys *keys;
static struct token_verifier *verifier;
static struct arena *arena;
static struct key *key;
static struct key *other;
static struct claims good;

static void setup(void)
{
    char error[512];

    fixture_open(&fixture);
    keys = keys_load(&fixture.config, error, sizeof error);
    ck_assert_msg(keys != NULL, "%s", error);
    verifier = token_verifier_new(&fixture.config, keys, error, sizeof error);
    ck_assert_msg(verifier != NULL, "%s", error);
    arena = arena_new(8192);
    key = fixture_key(fixture.signing_file);
    other = fixture_key(fixture.other_file);
    uuid_v7(&good.account);
    uuid_v7(&good.session);
    uuid_v7(&good.id);
    good.issued = NOW;
    good.not_before = 0;
    good.expires = NOW + 600;
}

static void teardown(void)
{
    key_free(other);
    key_free(key);
    arena_free(arena);
    token_verifier_free(verifier);
    keys_free(keys);
    fixture_close(&fixture);
}

/* In memory of exactly its size, so that reading past it is seen. */
static enum err verify_bytes(const char *token, size_t length, int64_t now)
{
    char *copy = malloc(length == 0 ? 1 : length);
    struct claims claims;
    enum err err;

    ck_assert(copy != NULL);
    memcpy(copy, token, length);
    err = token_verify(verifier, copy, length, now, &claims);
    free(copy);
    return err;
}

static enum err verify(const char *token)
{
    return verify_bytes(token, strlen(token), NOW);
}

static char *issue(void)
{
    char *token = token_issue(&fixture.config, keys, &good, arena);

    ck_assert(token != NULL);
    return token;
}

static char *good_header(const char *kid)
{
    return arena_format(arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", kid);
}

/* The claims of `good` as JSON; `extra` starts with a comma or is empty. */
static char *payload(const char *extra)
{
    char account[UUID_SIZE];
    char session[UUID_SIZE];
    char id[UUID_SIZE];

    uuid_format(&good.account, account);
    uuid_format(&good.session, session);
    uuid_format(&good.id, id);
    return arena_format(arena,
        "{\"aud\":\"pets-api\",\"exp\":%ld,\"iat\":%ld,\"iss\":\"https://pets.example\","
        "\"jti\":\"%s\",\"sid\":\"%s\",\"sub\":\"%s\"%s}",
        (long)good.expires, (long)good.issued, id, session, account, extra);
}

static enum err verify_forged(struct key *by, const char *header, const char *claims)
{
    char *token = fixture_forge(by, header, claims, strlen(claims));
    enum err err = verify(token);

    free(token);
    return err;
}

START_TEST(round_trip)
{
    char *token = issue();
    struct claims claims;

    good.not_before = NOW - 1;
    token = issue();
    ck_assert_int_eq(token_verify(verifier, token, strlen(token), NOW, &claims), ERR_NONE);
    ck_assert(!token_was_cached(verifier));
    ck_assert_mem_eq(&claims, &good, sizeof good);
    memset(&claims, 0, sizeof claims);
    ck_assert_int_eq(token_verify(verifier, token, strlen(token), NOW, &claims), ERR_NONE);
    ck_assert(token_was_cached(verifier));
    ck_assert_mem_eq(&claims, &good, sizeof good);
}
END_TEST

/* What is issued is, byte by byte, what the forger of these tests makes; else they prove nothing.
 */
START_TEST(forger_is_right)
{
    char *token = issue();
    const char *text = payload("");
    char *forged = fixture_forge(key, good_header(fixture.kid), text, strlen(text));
    size_t same = (size_t)(strrchr(token, '.') - token);

    ck_assert_mem_eq(token, forged, same);
    ck_assert_int_eq(verify(forged), ERR_NONE);
    free(forged);
    ck_assert_int_eq(verify_forged(other, good_header(fixture.other), text), ERR_NONE);
}
END_TEST

START_TEST(headers)
{
    static const char *const formats[] = {
        "{\"alg\":\"none\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"None\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"ES384\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"es256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+JWT\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\",\"jku\":\"https://evil.example\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\",\"x5u\":\"https://evil.example\"}",
        "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"kid\":\"%s\",\"alg\":\"ES256\",\"typ\":\"at+jwt\"}",
        "{ \"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"} ",
        "{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}\n",
        "{\"alg\":\"ES256\",\"kid\":\"../%s\",\"typ\":\"at+jwt\"}",
        "{\"alg\":\"ES256\",\"kid\":[\"%s\"],\"typ\":\"at+jwt\"}",
        "[]",
        "",
    };

    for (size_t i = 0; i < countof(formats); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        const char *header = arena_format(arena, formats[i], fixture.kid);
#pragma GCC diagnostic pop

        ck_assert_msg(verify_forged(key, header, payload("")) == ERR_TOKEN_INVALID, "%s", header);
        ck_assert_msg(verify_forged(NULL, header, payload("")) == ERR_TOKEN_INVALID, "%s", header);
    }
    ck_assert_int_eq(verify_forged(key, good_header(fixture.kid), payload("")), ERR_NONE);
}
END_TEST

/* The public key as the secret of an HMAC, under every header that could matter. */
START_TEST(hmac_with_public_key)
{
    static const char *const algorithms[] = {"HS256", "HS384", "HS512", "ES256"};
    char *pem = fixture_read(fixture.public_file);

    for (size_t i = 0; i < countof(algorithms); i++) {
        const char *header = arena_format(arena,
            "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", algorithms[i], fixture.kid);
        const char *text = payload("");
        char *token = fixture_forge(NULL, header, text, strlen(text));
        size_t length = strlen(token);
        char mac[64];
        char *signed_token = arena_alloc(arena, length + 100);

        HMAC(EVP_sha512(), pem, (int)strlen(pem), (uint8_t *)token, length - 1, (uint8_t *)mac,
            NULL);
        memcpy(signed_token, token, length);
        base64url_encode(mac, 64, signed_token + length);
        ck_assert_int_eq(verify(signed_token), ERR_TOKEN_INVALID);
        HMAC(EVP_sha256(), pem, (int)strlen(pem), (uint8_t *)token, length - 1, (uint8_t *)mac,
            NULL);
        base64url_encode(mac, 32, signed_token + length);
        ck_assert_int_eq(verify(signed_token), ERR_TOKEN_INVALID);
        free(token);
    }
    free(pem);
}
END_TEST

/* The forger's own key, named as ours, as itself, and embedded. */
START_TEST(foreign_key)
{
    struct key *foreign = key_generate();
    const char *embedded = arena_format(arena,
        "{\"alg\":\"ES256\",\"jwk\":{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"},"
        "\"kid\":\"%s\",\"typ\":\"at+jwt\"}",
        key_x(foreign), key_y(foreign), key_id(foreign));

    ck_assert_int_eq(
        verify_forged(foreign, good_header(fixture.kid), payload("")), ERR_TOKEN_INVALID);
    ck_assert_int_eq(
        verify_forged(foreign, good_header(key_id(foreign)), payload("")), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_forged(foreign, embedded, payload("")), ERR_TOKEN_INVALID);
    ck_assert_int_eq(
        verify_forged(other, good_header(fixture.kid), payload("")), ERR_TOKEN_INVALID);
    key_free(foreign);
}
END_TEST

START_TEST(truncated)
{
    const char *token = issue();
    size_t length = strlen(token);

    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq(verify_bytes(token, i, NOW), ERR_TOKEN_INVALID);
    for (size_t i = 1; i < length; i++)
        ck_assert_int_eq(verify_bytes(token + i, length - i, NOW), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_bytes(token, length, NOW), ERR_NONE);
}
END_TEST

/* Every character, changed to its neighbour in value and to things that are not of the alphabet. */
START_TEST(altered)
{
    const char *token = issue();
    size_t length = strlen(token);
    static const char foreign[] = {'.', '=', '+', '/', ' ', '\0', '\n', (char)0xff, 'A'};

    for (size_t i = 0; i < length; i++) {
        for (size_t j = 0; j < countof(foreign); j++) {
            char *copy = arena_copy(arena, token, length);

            if (copy[i] == foreign[j])
                continue;
            copy[i] = foreign[j];
            ck_assert_int_eq(verify_bytes(copy, length, NOW), ERR_TOKEN_INVALID);
        }
    }
}
END_TEST

/* The last character of a signature carries four bits that must be zero: 16 spellings, one good. */
START_TEST(spellings)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *token = issue();
    size_t length = strlen(token);
    int accepted = 0;

    for (size_t i = 0; i < 64; i++) {
        char *copy = arena_copy(arena, token, length);

        copy[length - 1] = alphabet[i];
        accepted += verify(copy) == ERR_NONE;
    }
    ck_assert_int_eq(accepted, 1);
    ck_assert_int_eq(verify(arena_format(arena, "%s=", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, "%s==", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, " %s", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, "%s\n", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, "%s.", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, ".%s", token)), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify(arena_format(arena, "%s.%s", token, "e30")), ERR_TOKEN_INVALID);
}
END_TEST

/* The genuine header and claims with another signature. */
static enum err with_signature(const void *signature, size_t size)
{
    const char *token = issue();
    size_t length = (size_t)(strrchr(token, '.') - token);
    char *copy = arena_alloc(arena, length + 2 + BASE64URL_LENGTH(size));

    memcpy(copy, token, length + 1);
    base64url_encode(signature, size, copy + length + 1);
    return verify(copy);
}

START_TEST(signatures)
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca,
        0xc2, 0xfc, 0x63, 0x25, 0x51};
    uint8_t raw[256];

    /* r and s of zero, one, the order of the group, and all ones, in every combination. */
    for (int r = 0; r < 4; r++) {
        for (int s = 0; s < 4; s++) {
            memset(raw, 0, 64);
            for (int half = 0; half < 2; half++) {
                int kind = half == 0 ? r : s;

                if (kind == 1)
                    raw[32 * half + 31] = 1;
                else if (kind == 2)
                    memcpy(raw + 32 * half, order, 32);
                else if (kind == 3)
                    memset(raw + 32 * half, 0xff, 32);
            }
            ck_assert_int_eq(with_signature(raw, 64), ERR_TOKEN_INVALID);
        }
    }
    for (size_t size = 0; size < sizeof raw; size++)
        ck_assert_int_eq(with_signature(raw, size), ERR_TOKEN_INVALID);
}
END_TEST

/* A right signature in the wrong form: DER, as OpenSSL writes it, and with bytes beside it. */
START_TEST(der_signature)
{
    const char *token = issue();
    const char *text = strrchr(token, '.') + 1;
    uint8_t raw[64];
    uint8_t der[128];
    uint8_t *end = der;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    int length;

    ck_assert_int_eq(base64url_decode(text, strlen(text), raw, sizeof raw), 64);
    ck_assert_int_eq(with_signature(raw, 64), ERR_NONE);
    ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    length = i2d_ECDSA_SIG(pair, &end);
    ECDSA_SIG_free(pair);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(with_signature(der, (size_t)length), ERR_TOKEN_INVALID);
    ck_assert_int_eq(with_signature(der, 64), ERR_TOKEN_INVALID);
    memcpy(der, raw, 64);
    der[64] = 0;
    ck_assert_int_eq(with_signature(der, 65), ERR_TOKEN_INVALID);
    memmove(der + 1, raw, 64);
    der[0] = 0;
    ck_assert_int_eq(with_signature(der, 65), ERR_TOKEN_INVALID);
}
END_TEST

/* Many signatures, so that short r and s (leading zeros, one in 128) are among them. */
START_TEST(short_numbers)
{
    int seen = 0;

    for (int i = 0; i < 2000 && (i < 200 || seen < 2); i++) {
        const char *token;
        uint8_t raw[64];

        uuid_v7(&good.id);
        token = issue();
        ck_assert_int_eq(verify(token), ERR_NONE);
        base64url_decode(strrchr(token, '.') + 1, 86, raw, sizeof raw);
        seen += raw[0] == 0 || raw[32] == 0;
    }
    ck_assert_int_ge(seen, 2);
}
END_TEST

/* Signed with something else between header and claims: not even our key could make this a token.
 */
START_TEST(separator)
{
    const char *token = issue();
    size_t length = (size_t)(strrchr(token, '.') - token);
    size_t dot = (size_t)(strchr(token, '.') - token);
    static const char others[] = {'.', 'A', ' ', '\0', ','};

    for (size_t i = 0; i < countof(others); i++) {
        char *copy = arena_copy(arena, token, strlen(token));
        uint8_t signature[KEY_SIGNATURE_SIZE];

        copy[dot] = others[i];
        ck_assert_int_eq(key_sign(key, copy, length, signature), 0);
        base64url_encode(signature, sizeof signature, copy + length + 1);
        ck_assert_int_eq(verify_bytes(copy, strlen(token), NOW),
            others[i] == '.' ? ERR_NONE : ERR_TOKEN_INVALID);
    }
}
END_TEST

START_TEST(stripped)
{
    const char *token = issue();
    size_t dot = (size_t)(strrchr(token, '.') - token);

    ck_assert_int_eq(verify_bytes(token, dot, NOW), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_bytes(token, dot + 1, NOW), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_forged(NULL, "{\"alg\":\"none\"}", payload("")), ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_forged(NULL, "{\"alg\":\"none\",\"typ\":\"at+jwt\"}", payload("")),
        ERR_TOKEN_INVALID);
}
END_TEST

START_TEST(huge)
{
    size_t size = 1 << 20;
    char *token = malloc(size);
    char *padded;
    int seen = 0;

    memset(token, 'A', size);
    ck_assert_int_eq(verify_bytes(token, size, NOW), ERR_TOKEN_INVALID);
    memset(token, '.', size);
    ck_assert_int_eq(verify_bytes(token, size, NOW), ERR_TOKEN_INVALID);
    memset(token, 'A', 4096);
    memcpy(token, issue(), 111);
    token[4096 - 87] = '.';
    ck_assert_int_eq(verify_bytes(token, 4096, NOW), ERR_TOKEN_INVALID);
    free(token);

    /* Genuine, up to the limit, and beyond it by its claims: we never issue such. */
    padded = arena_alloc(arena, 4000);
    memset(padded, 'x', 3999);
    padded[3999] = '\0';
    for (int fill = 2600; fill < 3900; fill++) {
        const char *text = payload(arena_format(arena, ",\"x\":\"%.*s\"", fill, padded));
        char *signed_token = fixture_forge(key, good_header(fixture.kid), text, strlen(text));
        size_t length = strlen(signed_token);

        /* Only around the limit: a signature each. */
        if (length >= 4090 && length <= 4102)
            ck_assert_int_eq(verify(signed_token), length <= 4096 ? ERR_NONE : ERR_TOKEN_INVALID);
        seen += length == 4096 || length == 4097 || length == 4095 || length == 4098;
        free(signed_token);
        if (length > 4102)
            break;
    }
    ck_assert_int_ge(seen, 2);
    ck_assert_int_eq(verify_forged(key, good_header(fixture.kid),
                         payload(arena_format(arena, ",\"x\":\"%s\"", padded))),
        ERR_TOKEN_INVALID);
}
END_TEST

/* Properly signed, but not what this program issues: each claim missing, of another type or value.
 */
START_TEST(claims_of_another_kind)
{
    static const char id[] = "\"0198f1e0-0000-7000-8000-000000000000\"";
    static const struct {
        const char *name;
        const char *values[12]; /* JSON; the first is right */
    } rows[] = {
        {"iss", {"\"https://pets.example\"", "\"https://pets.example/\"",
                    "\"HTTPS://PETS.EXAMPLE\"", "\"\"", "null", "1", "[\"https://pets.example\"]",
                    "{}", "\"https://pets.example\\u0000\""}},
        {"aud", {"\"pets-api\"", "\"pets-ap\"", "\"pets-api2\"", "[\"pets-api\"]", "null", "true",
                    "[]"}},
        {"sub", {id, "\"\"", "\"x\"", "1", "null", "[]", "\"0198f1e0-0000-7000-8000-00000000000\"",
                    "\"0198f1e0-0000-7000-8000-0000000000000\"",
                    "\"{0198f1e0-0000-7000-8000-000000000}\""}},
        {"sid", {id, "\"\"", "1", "null", "{}", "\"0198f1e0_0000-7000-8000-000000000000\""}},
        {"jti", {id, "\"\"", "1", "null", "\"0198f1e0-0000-7000-8000-00000000000g\""}},
        {"iat", {"1800000000", "\"1800000000\"", "1800000000.0", "1.8e9", "null", "true", "0", "-1",
                    "1800000006", "9223372036854775807", "-9223372036854775808"}},
        {"exp", {"1800000600", "\"1800000600\"", "1800000600.5", "1e10", "null", "true", "0", "-1",
                    "253402300800", "9223372036854775807", "-9223372036854775808"}},
        {"nbf", {"1799999999", "\"1799999999\"", "1.5", "null", "false", "[]", "0", "-1",
                    "1800000006", "9223372036854775807"}},
    };

    for (size_t row = 0; row < countof(rows); row++) {
        for (size_t value = 0; value <= countof(rows[row].values); value++) {
            struct buf text;
            bool last = value == countof(rows[row].values) || rows[row].values[value] == NULL;

            /* The last turn leaves the claim out. */
            buf_init(&text, arena, 512);
            for (size_t i = 0; i < countof(rows); i++)
                if (i != row || !last)
                    buf_printf(&text, "%c\"%s\":%s", text.length == 0 ? '{' : ',', rows[i].name,
                        rows[i].values[i == row ? value : 0]);
            buf_putc(&text, '}');
            ck_assert_msg((verify_forged(key, good_header(fixture.kid), text.data) == ERR_NONE) ==
                              (value == 0 || (last && strcmp(rows[row].name, "nbf") == 0)),
                "%s", text.data);
            if (last)
                break;
        }
    }
}
END_TEST

/* Signed, and no JSON object with unique names. */
START_TEST(payloads)
{
    static const char *const texts[] = {"", "null", "[]", "{", "\"x\"", "{}{}", "{} x", "\xff"};
    const char *text = payload("");
    char *token;
    char *with_nul;

    for (size_t i = 0; i < countof(texts); i++)
        ck_assert_msg(verify_forged(key, good_header(fixture.kid), texts[i]) == ERR_TOKEN_INVALID,
            "%s", texts[i]);
    ck_assert_int_eq(verify_forged(key, good_header(fixture.kid), payload(",\"aud\":\"pets-api\"")),
        ERR_TOKEN_INVALID);
    ck_assert_int_eq(verify_forged(key, good_header(fixture.kid), payload(",\"x\":1,\"x\":1")),
        ERR_TOKEN_INVALID);
    ck_assert_int_eq(
        verify_forged(key, good_header(fixture.kid), payload(",\"role\":\"ADMIN\"")), ERR_NONE);

    /* Behind a NUL. */
    with_nul = arena_format(arena, "%sX{\"role\":1}", text);
    with_nul[strlen(text)] = '\0';
    token = fixture_forge(key, good_header(fixture.kid), with_nul, strlen(text) + 11);
    ck_assert_int_eq(verify(token), ERR_TOKEN_INVALID);
    free(token);
}
END_TEST

START_TEST(times)
{
    const char *token;
    size_t length;

    good.not_before = NOW + 100;
    token = issue();
    length = strlen(token);
    /* Twice each: the second time from the cache. */
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(verify_bytes(token, length, NOW + 604), ERR_NONE);
        ck_assert_int_eq(verify_bytes(token, length, NOW + 605), ERR_TOKEN_EXPIRED);
        ck_assert_int_eq(verify_bytes(token, length, NOW + 1000000), ERR_TOKEN_EXPIRED);
        ck_assert_int_eq(verify_bytes(token, length, NOW + 95), ERR_NONE);
        ck_assert_int_eq(verify_bytes(token, length, NOW + 94), ERR_TOKEN_INVALID);
        ck_assert_int_eq(verify_bytes(token, length, NOW - 6), ERR_TOKEN_INVALID);
        ck_assert_int_eq(verify_bytes(token, length, 0), ERR_TOKEN_INVALID);
    }
    good.not_before = 0;
    token = issue();
    ck_assert_int_eq(verify_bytes(token, strlen(token), NOW - 5), ERR_NONE);
    ck_assert_int_eq(verify_bytes(token, strlen(token), NOW - 6), ERR_TOKEN_INVALID);
}
END_TEST

/* A refused token is not remembered, and one that was remembered does not help another. */
START_TEST(cache_keeps_the_genuine_only)
{
    char *token = issue();
    size_t length = strlen(token);
    char *forged = arena_copy(arena, token, length);
    struct claims claims;

    forged[150] = forged[150] == 'A' ? 'B' : 'A';
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(token_verify(verifier, forged, length, NOW, &claims), ERR_TOKEN_INVALID);
        ck_assert(!token_was_cached(verifier));
        ck_assert_int_eq(token_verify(verifier, token, length, NOW, &claims), ERR_NONE);
        ck_assert_int_eq(token_was_cached(verifier), i > 0);
    }
}
END_TEST

/* Entries beyond the table push out the oldest of their set, never give another's claims. */
START_TEST(cache_is_bounded)
{
    struct token_cache *cache = token_cache_new();
    struct token_digest digest;
    struct claims claims = {0};
    char text[32];
    int found = 0;

    for (int i = 0; i < 10 * TOKEN_CACHE_ENTRIES; i++) {
        int length = snprintf(text, sizeof text, "%d", i);

        ck_assert_int_eq(token_cache_digest(cache, text, (size_t)length, &digest), 0);
        ck_assert(token_cache_find(cache, &digest) == NULL);
        claims.issued = i;
        token_cache_put(cache, &digest, &claims);
        ck_assert_int_eq(token_cache_find(cache, &digest)->issued, i);
    }
    for (int i = 0; i < 10 * TOKEN_CACHE_ENTRIES; i++) {
        int length = snprintf(text, sizeof text, "%d", i);
        const struct claims *kept;

        token_cache_digest(cache, text, (size_t)length, &digest);
        kept = token_cache_find(cache, &digest);
        ck_assert(kept == NULL || kept->issued == i);
        found += kept != NULL;
    }
    ck_assert_int_eq(found, TOKEN_CACHE_ENTRIES);
    token_cache_clear(cache);
    ck_assert(token_cache_find(cache, &digest) == NULL);
    token_cache_free(cache);
}
END_TEST

/* The entry used last stays; the one not used for the longest time goes. */
START_TEST(cache_replaces_by_use)
{
    struct token_cache *cache = token_cache_new();
    struct token_digest digests[TOKEN_CACHE_WAYS + 1] = {0};
    struct claims claims = {0};

    for (size_t i = 0; i < countof(digests); i++)
        digests[i].bytes[31] = (uint8_t)i;
    for (size_t i = 0; i < TOKEN_CACHE_WAYS; i++)
        token_cache_put(cache, &digests[i], &claims);
    ck_assert(token_cache_find(cache, &digests[0]) != NULL);
    token_cache_put(cache, &digests[TOKEN_CACHE_WAYS], &claims);
    ck_assert(token_cache_find(cache, &digests[0]) != NULL);
    ck_assert(token_cache_find(cache, &digests[1]) == NULL);
    ck_assert(token_cache_find(cache, &digests[2]) != NULL);
    token_cache_free(cache);
}
END_TEST

/* A verifier without the signing key: the api pool. */
START_TEST(public_keys_only)
{
    struct config config = fixture.config;
    struct keys *public;
    struct token_verifier *reader;
    struct claims claims;
    char error[512];
    char *token = issue();

    config.token.signing_key_file = "";
    public = keys_load(&config, error, sizeof error);
    ck_assert_msg(public != NULL, "%s", error);
    reader = token_verifier_new(&config, public, error, sizeof error);
    ck_assert_msg(reader != NULL, "%s", error);
    ck_assert_int_eq(token_verify(reader, token, strlen(token), NOW, &claims), ERR_NONE);
    ck_assert(token_issue(&config, public, &good, arena) == NULL);
    token_verifier_free(reader);
    keys_free(public);
}
END_TEST

START_TEST(issuer_needed)
{
    struct config config = fixture.config;
    char error[512];

    config.token.issuer = "";
    ck_assert(token_verifier_new(&config, keys, error, sizeof error) == NULL);
    ck_assert(strstr(error, "token.issuer") != NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("token");
    Suite *suite = suite_create("auth_token");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, forger_is_right);
    tcase_add_test(tests, headers);
    tcase_add_test(tests, hmac_with_public_key);
    tcase_add_test(tests, foreign_key);
    tcase_add_test(tests, truncated);
    tcase_add_test(tests, altered);
    tcase_add_test(tests, spellings);
    tcase_add_test(tests, signatures);
    tcase_add_test(tests, der_signature);
    tcase_add_test(tests, short_numbers);
    tcase_add_test(tests, separator);
    tcase_add_test(tests, stripped);
    tcase_add_test(tests, huge);
    tcase_add_test(tests, claims_of_another_kind);
    tcase_add_test(tests, payloads);
    tcase_add_test(tests, times);
    tcase_add_test(tests, cache_keeps_the_genuine_only);
    tcase_add_test(tests, cache_is_bounded);
    tcase_add_test(tests, cache_replaces_by_use);
    tcase_add_test(tests, public_keys_only);
    tcase_add_test(tests, issuer_needed);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
