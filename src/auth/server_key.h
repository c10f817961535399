/*
 * server_key.h: a secret of the service, in a file, that keys for one purpose each are derived from
 * (HKDF, RFC 5869): refresh tokens, second factors, links in mails. One file may serve one purpose
 * or many: the derived keys have nothing to do with each other.
 */
#ifndef AUTH_SERVER_KEY_H
#define AUTH_SERVER_KEY_H

#include "base/base.h"

enum { SERVER_KEY_SIZE = 32, SERVER_MAC_SIZE = 32 };

/* A key for one purpose. Wipe it with explicit_bzero. */
struct server_key {
    uint8_t bytes[SERVER_KEY_SIZE];
    char id[8 + 1]; /* names the file's content and does not reveal it: 8 hexadecimal digits */
};

/*
 * Derives the key for `purpose` (a constant text) from a file of one line of 32 to 256 printable
 * ASCII characters; `petsctl secret new` makes one. -1 on an error, with one line for people in
 * `error`.
 */
int server_key_read(
    const char *path, const char *purpose, struct server_key *key, char *error, size_t size);

/* HMAC-SHA-256. -1 when the library fails. */
int server_key_mac(
    const struct server_key *key, const void *bytes, size_t length, uint8_t mac[SERVER_MAC_SIZE]);

#endif
