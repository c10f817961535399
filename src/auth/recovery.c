/*
 * recovery.c: a code is read as people type it, then there is one spelling of it, which is hashed.
 * The account goes into the hash, so that equal hashes in two rows would mean nothing.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/recovery.h"

#include <sys/random.h>

enum { CHARACTERS = 20, GROUP = 5 };

#define LABEL "pets-api recovery code"

/* 32 characters: five bits of a random byte choose one, each as likely as the next. */
static const char alphabet[] = "23456789abcdefghijkmnpqrstuvwxyz";

_Static_assert(sizeof alphabet - 1 == 32, "five bits a character");
_Static_assert(
    RECOVERY_CODE_LENGTH == CHARACTERS + CHARACTERS / GROUP - 1, "a hyphen between groups");

void recovery_code(char code[RECOVERY_CODE_LENGTH + 1])
{
    uint8_t random[CHARACTERS];
    char *at = code;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    for (size_t i = 0; i < CHARACTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            *at++ = '-';
        *at++ = alphabet[random[i] & 31];
    }
    *at = '\0';
    explicit_bzero(random, sizeof random);
}

/* The twenty characters alone, in lower case. -1: they are not twenty, or not of the alphabet. */
static int normalize(const char *code, size_t length, char out[CHARACTERS])
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        char character = code[i];

        if (character == '-' || character == ' ')
            continue;
        if (character >= 'A' && character <= 'Z')
            character = (char)(character - 'A' + 'a');
        if (count == CHARACTERS || memchr(alphabet, character, sizeof alphabet - 1) == NULL)
            return -1;
        out[count++] = character;
    }
    return count == CHARACTERS ? 0 : -1;
}

int recovery_hash(
    const struct uuid *account, const char *code, size_t length, uint8_t hash[RECOVERY_HASH_SIZE])
{
    uint8_t text[sizeof LABEL + sizeof account->bytes + CHARACTERS];
    int done;

    memcpy(text, LABEL, sizeof LABEL);
    memcpy(text + sizeof LABEL, account->bytes, sizeof account->bytes);
    if (normalize(code, length, (char *)text + sizeof LABEL + sizeof account->bytes) == -1)
        return -1;
    done = EVP_Digest(text, sizeof text, hash, NULL, EVP_sha256(), NULL);
    explicit_bzero(text, sizeof text);
    return done == 1 ? 0 : -1;
}
