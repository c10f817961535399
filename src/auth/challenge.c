/*
 * challenge.c: see the header for the form. The text has 256 bits, so its hash needs neither salt
 * nor key.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/challenge.h"

#include <sys/random.h>

enum { PREFIX_LENGTH = sizeof CHALLENGE_PREFIX - 1 };

static int hash_text(struct challenge *challenge)
{
    return EVP_Digest(
               challenge->text, CHALLENGE_LENGTH, challenge->hash, NULL, EVP_sha256(), NULL) == 1
               ? 0
               : -1;
}

int challenge_make(struct challenge *challenge)
{
    uint8_t bytes[CHALLENGE_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        abort();
    memcpy(challenge->text, CHALLENGE_PREFIX, PREFIX_LENGTH);
    base64url_encode(bytes, sizeof bytes, challenge->text + PREFIX_LENGTH);
    explicit_bzero(bytes, sizeof bytes);
    return hash_text(challenge);
}

bool challenge_parse(struct challenge *challenge, const char *text, size_t length)
{
    uint8_t bytes[CHALLENGE_BYTES];

    if (length != CHALLENGE_LENGTH || memcmp(text, CHALLENGE_PREFIX, PREFIX_LENGTH) != 0 ||
        base64url_decode(text + PREFIX_LENGTH, length - PREFIX_LENGTH, bytes, sizeof bytes) !=
            (ssize_t)sizeof bytes)
        return false;
    explicit_bzero(bytes, sizeof bytes);
    memcpy(challenge->text, text, length);
    challenge->text[length] = '\0';
    return hash_text(challenge) == 0;
}
