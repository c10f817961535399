/*
 * token.c: issuing and verifying, with libjwt for the claims only. libjwt 1.10 lets the token
 * choose the algorithm, accepts "none", takes a public key for an HMAC secret, writes typ "JWT"
 * over any other and refuses to read at+jwt, and parses JSON that nobody has vouched for. So the
 * outer layer (RFC 7515) is done here. It is short because this program is the only issuer: for
 * each key there is exactly one header text, and the encoded header of a token must be byte-equal
 * to one of them. That one comparison settles alg, typ, kid, and refuses crit, jwk, jku, x5c, white
 * space, other member orders and duplicates, with no parser at all. Then the signature is checked
 * over the bytes as they came. Only what this program has signed is parsed (by libjwt, duplicates
 * refused), and every claim is checked all the same.
 */
#include "auth/token.h"
#include "auth/token_cache.h"
#include "base/log.h"

#include <jwt.h>

#define HEADER_BEFORE "{\"alg\":\"ES256\",\"kid\":\""
#define HEADER_AFTER  "\",\"typ\":\"at+jwt\"}"

enum {
    HEADER_SIZE = sizeof HEADER_BEFORE - 1 + KEY_ID_LENGTH + sizeof HEADER_AFTER - 1,
    HEADER_LENGTH = BASE64URL_LENGTH(HEADER_SIZE),
    SIGNATURE_LENGTH = BASE64URL_LENGTH(KEY_SIGNATURE_SIZE),
};

/* The end of the year 9999: times beyond are nonsense, and sums with them cannot overflow. */
#define TIME_MAX INT64_C(253402300799)

struct token_verifier {
    const struct keys *keys;
    const char *issuer;
    const char *audience;
    int64_t leeway;
    struct token_cache *cache;
    bool cached;
    bool unknown;                              /* the header is one of ours, but for the kid */
    char headers[KEYS_MAX][HEADER_LENGTH + 1]; /* of each key, by position */
};

/* What a token consists of, pointing into its text. */
struct parts {
    const char *token;
    size_t signed_length; /* header and claims with the dot between */
    const char *claims;
    size_t claims_length;
    const char *signature;
};

/* The only header a token of this key has. */
static void make_header(const struct key *key, char out[HEADER_LENGTH + 1])
{
    char json[HEADER_SIZE + 1];

    snprintf(json, sizeof json, HEADER_BEFORE "%s" HEADER_AFTER, key_id(key));
    base64url_encode(json, HEADER_SIZE, out);
}

/* Header, claims and signature: the lengths of the first and the last are fixed. */
static bool split(const char *token, size_t length, struct parts *parts)
{
    if (length > TOKEN_LENGTH_MAX || length < HEADER_LENGTH + 1 + 1 + 1 + SIGNATURE_LENGTH)
        return false;
    parts->token = token;
    parts->signature = token + length - SIGNATURE_LENGTH;
    parts->signed_length = length - SIGNATURE_LENGTH - 1;
    parts->claims = token + HEADER_LENGTH + 1;
    parts->claims_length = parts->signed_length - HEADER_LENGTH - 1;
    return token[HEADER_LENGTH] == '.' && token[parts->signed_length] == '.';
}

/* The key whose header this is, or NULL. */
static struct key *find_key(const struct token_verifier *verifier, const struct parts *parts)
{
    for (size_t i = 0; i < keys_count(verifier->keys); i++)
        if (memcmp(verifier->headers[i], parts->token, HEADER_LENGTH) == 0)
            return keys_at(verifier->keys, i);
    return NULL;
}

/* Whether this would be the header of a token of ours, if there were a key of its kid. */
static bool is_header(const struct parts *parts)
{
    char json[HEADER_SIZE + 1];
    uint8_t thumbprint[32];

    return base64url_decode(parts->token, HEADER_LENGTH, json, sizeof json) == HEADER_SIZE &&
           memcmp(json, HEADER_BEFORE, sizeof HEADER_BEFORE - 1) == 0 &&
           base64url_decode(json + sizeof HEADER_BEFORE - 1, KEY_ID_LENGTH, thumbprint,
               sizeof thumbprint) == (ssize_t)sizeof thumbprint &&
           memcmp(json + sizeof HEADER_BEFORE - 1 + KEY_ID_LENGTH, HEADER_AFTER,
               sizeof HEADER_AFTER - 1) == 0;
}

static bool genuine(struct token_verifier *verifier, const struct parts *parts)
{
    struct key *key = find_key(verifier, parts);
    uint8_t signature[KEY_SIGNATURE_SIZE];

    verifier->unknown = key == NULL && is_header(parts);
    return key != NULL &&
           base64url_decode(parts->signature, SIGNATURE_LENGTH, signature, sizeof signature) ==
               (ssize_t)sizeof signature &&
           key_verify(key, parts->token, parts->signed_length, signature);
}

static bool string_is(jwt_t *jwt, const char *name, const char *expected)
{
    const char *value = jwt_get_grant(jwt, name);

    return value != NULL && strcmp(value, expected) == 0;
}

static bool get_uuid(jwt_t *jwt, const char *name, struct uuid *uuid)
{
    const char *value = jwt_get_grant(jwt, name);

    return value != NULL && uuid_parse(value, strlen(value), uuid);
}

/* libjwt gives 0 for what is no integer, so 0 is no time here. */
static bool get_time(jwt_t *jwt, const char *name, int64_t *time)
{
    *time = jwt_get_grant_int(jwt, name);
    return *time > 0 && *time <= TIME_MAX;
}

/* A claim that may be absent: 0 then. */
static bool get_optional_time(jwt_t *jwt, const char *name, int64_t *time)
{
    if (get_time(jwt, name, time))
        return true;
    *time = 0;
    jwt_get_grant_int(jwt, name);
    return errno == ENOENT;
}

static bool read_claims(const struct token_verifier *verifier, jwt_t *jwt, struct claims *claims)
{
    return string_is(jwt, "iss", verifier->issuer) && string_is(jwt, "aud", verifier->audience) &&
           get_uuid(jwt, "sub", &claims->account) && get_uuid(jwt, "sid", &claims->session) &&
           get_uuid(jwt, "jti", &claims->id) && get_time(jwt, "iat", &claims->issued) &&
           get_time(jwt, "exp", &claims->expires) &&
           get_optional_time(jwt, "nbf", &claims->not_before);
}

/* The claims of a token whose signature is good. */
static bool parse_claims(
    const struct token_verifier *verifier, const struct parts *parts, struct claims *claims)
{
    char json[TOKEN_LENGTH_MAX + 1];
    ssize_t length = base64url_decode(parts->claims, parts->claims_length, json, sizeof json - 1);
    jwt_t *jwt = NULL;
    bool good;

    if (length <= 0 || memchr(json, '\0', (size_t)length) != NULL)
        return false;
    json[length] = '\0';
    if (jwt_new(&jwt) != 0)
        base_out_of_memory();
    good = jwt_add_grants_json(jwt, json) == 0 && read_claims(verifier, jwt, claims);
    jwt_free(jwt);
    return good;
}

/* The times, at every use. */
static enum err check_times(
    const struct token_verifier *verifier, const struct claims *claims, int64_t now)
{
    if (claims->issued > now + verifier->leeway || claims->not_before > now + verifier->leeway)
        return ERR_TOKEN_INVALID;
    return claims->expires <= now - verifier->leeway ? ERR_TOKEN_EXPIRED : ERR_NONE;
}

enum err token_verify(struct token_verifier *verifier, const char *token, size_t length,
    int64_t now, struct claims *claims)
{
    struct token_digest digest;
    const struct claims *known;
    struct parts parts;

    verifier->cached = false;
    verifier->unknown = false;
    if (!split(token, length, &parts))
        return ERR_TOKEN_INVALID;
    if (token_cache_digest(verifier->cache, token, length, &digest) == -1)
        return ERR_INTERNAL;
    known = token_cache_find(verifier->cache, &digest);
    if (known != NULL) {
        verifier->cached = true;
        *claims = *known;
    } else {
        if (!genuine(verifier, &parts) || !parse_claims(verifier, &parts, claims))
            return ERR_TOKEN_INVALID;
        token_cache_put(verifier->cache, &digest, claims);
    }
    return check_times(verifier, claims, now);
}

bool token_was_cached(const struct token_verifier *verifier)
{
    return verifier->cached;
}

bool token_was_unknown(const struct token_verifier *verifier)
{
    return verifier->unknown;
}

void token_verifier_renew(struct token_verifier *verifier)
{
    token_cache_clear(verifier->cache);
    for (size_t i = 0; i < keys_count(verifier->keys); i++)
        make_header(keys_at(verifier->keys, i), verifier->headers[i]);
}

static int add_uuid(jwt_t *jwt, const char *name, const struct uuid *uuid)
{
    char text[UUID_SIZE];

    uuid_format(uuid, text);
    return jwt_add_grant(jwt, name, text);
}

/* The claims as JSON text, compact, members sorted; from malloc, or NULL. */
static char *make_claims(const struct config *config, const struct claims *claims)
{
    char *json = NULL;
    jwt_t *jwt = NULL;

    if (jwt_new(&jwt) != 0)
        base_out_of_memory();
    if (jwt_add_grant(jwt, "iss", config->token.issuer) == 0 &&
        jwt_add_grant(jwt, "aud", config->token.audience) == 0 &&
        add_uuid(jwt, "sub", &claims->account) == 0 &&
        add_uuid(jwt, "sid", &claims->session) == 0 && add_uuid(jwt, "jti", &claims->id) == 0 &&
        jwt_add_grant_int(jwt, "iat", claims->issued) == 0 &&
        jwt_add_grant_int(jwt, "exp", claims->expires) == 0 &&
        (claims->not_before == 0 || jwt_add_grant_int(jwt, "nbf", claims->not_before) == 0))
        json = jwt_get_grants_json(jwt, NULL);
    jwt_free(jwt);
    return json;
}

char *token_issue(const struct config *config, const struct keys *keys, const struct claims *claims,
    struct arena *arena)
{
    struct key *key = keys_signing(keys);
    char *json = key == NULL ? NULL : make_claims(config, claims);
    size_t json_length = json == NULL ? 0 : strlen(json);
    size_t length = HEADER_LENGTH + 1 + BASE64URL_LENGTH(json_length);
    uint8_t signature[KEY_SIGNATURE_SIZE];
    char *token;

    if (json == NULL || length + 1 + SIGNATURE_LENGTH > TOKEN_LENGTH_MAX) {
        log_event(LEVEL_ERROR, "token_not_issued");
        free(json);
        return NULL;
    }
    token = arena_alloc(arena, length + 1 + SIGNATURE_LENGTH + 1);
    make_header(key, token);
    token[HEADER_LENGTH] = '.';
    base64url_encode(json, json_length, token + HEADER_LENGTH + 1);
    free(json);
    if (key_sign(key, token, length, signature) == -1) {
        log_event(LEVEL_ERROR, "token_not_signed");
        return NULL;
    }
    token[length] = '.';
    base64url_encode(signature, sizeof signature, token + length + 1);
    return token;
}

/* What is issued must be accepted: better found out at start than by the first user. */
static bool probe(struct token_verifier *verifier, const struct config *config)
{
    struct arena *arena = arena_new(TOKEN_LENGTH_MAX + 1);
    struct claims claims = {.issued = 1, .expires = 2};
    struct claims read;
    bool good;
    char *token;

    uuid_v7(&claims.account);
    uuid_v7(&claims.session);
    uuid_v7(&claims.id);
    token = token_issue(config, verifier->keys, &claims, arena);
    good = token != NULL && token_verify(verifier, token, strlen(token), 1, &read) == ERR_NONE &&
           memcmp(&read, &claims, sizeof claims) == 0;
    token_cache_clear(verifier->cache);
    arena_free(arena);
    return good;
}

struct token_verifier *token_verifier_new(
    const struct config *config, const struct keys *keys, char *error, size_t size)
{
    struct token_verifier *verifier = calloc(1, sizeof *verifier);

    if (verifier == NULL)
        base_out_of_memory();
    verifier->keys = keys;
    verifier->issuer = config->token.issuer;
    verifier->audience = config->token.audience;
    verifier->leeway = config->token.leeway_s;
    verifier->cache = token_cache_new();
    for (size_t i = 0; i < keys_count(keys); i++)
        make_header(keys_at(keys, i), verifier->headers[i]);
    if (verifier->issuer[0] == '\0' || verifier->audience[0] == '\0')
        snprintf(error, size, "token.issuer and token.audience must be set");
    else if (verifier->cache == NULL)
        snprintf(error, size, "the cryptographic library failed");
    else if (keys_signing(keys) != NULL && !probe(verifier, config))
        snprintf(error, size, "a token issued for a trial is not accepted");
    else
        return verifier;
    token_verifier_free(verifier);
    return NULL;
}

void token_verifier_free(struct token_verifier *verifier)
{
    if (verifier == NULL)
        return;
    token_cache_free(verifier->cache);
    free(verifier);
}
