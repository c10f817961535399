/*
 * link.c: tokens are made in one place, so that what is stored is always the hash of the whole
 * text.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/link.h"

#include <sys/random.h>

static int finish(const uint8_t bytes[LINK_BYTES], struct link *link)
{
    memcpy(link->text, LINK_PREFIX, sizeof LINK_PREFIX);
    base64url_encode(bytes, LINK_BYTES, link->text + sizeof LINK_PREFIX - 1);
    return EVP_Digest(link->text, LINK_LENGTH, link->hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

int link_derive(const struct server_key *key, const struct uuid *id, struct link *link)
{
    uint8_t mac[SERVER_MAC_SIZE];
    int result = server_key_mac(key, id->bytes, sizeof id->bytes, mac);

    if (result == 0)
        result = finish(mac, link);
    explicit_bzero(mac, sizeof mac);
    return result;
}

int link_draw(struct link *link)
{
    uint8_t bytes[LINK_BYTES];
    int result = -1;

    if (getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes)
        result = finish(bytes, link);
    explicit_bzero(bytes, sizeof bytes);
    return result;
}

const char *link_address(
    const struct link *link, const char *base, const char *page, struct arena *arena)
{
    return base[0] == '\0' ? NULL : arena_format(arena, "%s/%s#%s", base, page, link->text);
}

bool link_parse(const char *text, size_t length, struct link *link)
{
    const size_t prefix = sizeof LINK_PREFIX - 1;
    uint8_t bytes[LINK_BYTES];
    bool good = length == LINK_LENGTH && memcmp(text, LINK_PREFIX, prefix) == 0 &&
                base64url_decode(text + prefix, length - prefix, bytes, sizeof bytes) ==
                    (ssize_t)sizeof bytes &&
                finish(bytes, link) == 0;

    explicit_bzero(bytes, sizeof bytes);
    return good;
}
