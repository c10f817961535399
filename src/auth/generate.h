/*
 * generate.h: new secrets as files, for petsctl. A file appears whole (written beside, synced,
 * then linked to its name) or not at all, and an existing one is never overwritten.
 */
#ifndef AUTH_GENERATE_H
#define AUTH_GENERATE_H

#include "auth/key.h"

/*
 * A signing key in two existing directories, which may be one: PUBLIC_DIR/KID.pub.pem (0644), then
 * DIR/KID.pem (0600). -1 with one line for people in `error`.
 */
int generate_key(
    const char *dir, const char *public_dir, char kid[KEY_ID_LENGTH + 1], char *error, size_t size);

/* A pepper: 32 random bytes, base64url, one line (0600). -1 as above. */
int generate_secret(const char *path, char *error, size_t size);

#endif
