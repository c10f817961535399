/*
 * digest.c: one call of OpenSSL, for floors that do not include it.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/digest.h"

int digest_sha256(const void *bytes, size_t length, uint8_t digest[32])
{
    return EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}
