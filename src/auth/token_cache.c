/*
 * token_cache.c: a fixed table of sets of four entries; the first bytes of the digest choose the
 * set. Only genuine tokens get in, so a stranger cannot push others out of it. Digests are compared
 * with memcmp: knowing how much of a SHA-256 matched helps nobody to a token.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/token_cache.h"

enum { SETS = TOKEN_CACHE_ENTRIES / TOKEN_CACHE_WAYS };

struct entry {
    uint64_t used; /* the cache's clock at its last use; 0: empty */
    struct token_digest digest;
    struct claims claims;
};

struct token_cache {
    EVP_MD *sha256; /* fetched once; finding it by name costs more than the digest */
    EVP_MD_CTX *context;
    uint64_t clock;
    struct entry entries[SETS][TOKEN_CACHE_WAYS];
};

struct token_cache *token_cache_new(void)
{
    struct token_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        base_out_of_memory();
    cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->context = EVP_MD_CTX_new();
    if (cache->sha256 != NULL && cache->context != NULL)
        return cache;
    token_cache_free(cache);
    return NULL;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    EVP_MD_CTX_free(cache->context);
    EVP_MD_free(cache->sha256);
    free(cache);
}

int token_cache_digest(
    struct token_cache *cache, const char *token, size_t length, struct token_digest *digest)
{
    return EVP_DigestInit_ex2(cache->context, cache->sha256, NULL) == 1 &&
                   EVP_DigestUpdate(cache->context, token, length) == 1 &&
                   EVP_DigestFinal_ex(cache->context, digest->bytes, NULL) == 1
               ? 0
               : -1;
}

static struct entry *set_of(struct token_cache *cache, const struct token_digest *digest)
{
    return cache->entries[(digest->bytes[0] | digest->bytes[1] << 8) % SETS];
}

const struct claims *token_cache_find(struct token_cache *cache, const struct token_digest *digest)
{
    struct entry *set = set_of(cache, digest);

    for (size_t i = 0; i < TOKEN_CACHE_WAYS; i++) {
        if (set[i].used != 0 && memcmp(&set[i].digest, digest, sizeof *digest) == 0) {
            set[i].used = ++cache->clock;
            return &set[i].claims;
        }
    }
    return NULL;
}

void token_cache_put(
    struct token_cache *cache, const struct token_digest *digest, const struct claims *claims)
{
    struct entry *set = set_of(cache, digest);
    struct entry *oldest = set;

    for (size_t i = 1; i < TOKEN_CACHE_WAYS; i++)
        if (set[i].used < oldest->used)
            oldest = &set[i];
    oldest->used = ++cache->clock;
    oldest->digest = *digest;
    oldest->claims = *claims;
}

void token_cache_clear(struct token_cache *cache)
{
    memset(cache->entries, 0, sizeof cache->entries);
}
