/*
 * secret.h: secrets come from files only. A relative path is taken below $CREDENTIALS_DIRECTORY
 * (systemd.exec(5)). A file that group or others may read or write is refused, except below
 * $CREDENTIALS_DIRECTORY, where systemd sets the mode itself.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/base.h"

/*
 * Where a file is: a relative path below $CREDENTIALS_DIRECTORY. False with one line for people in
 * `error` when that cannot be said.
 */
bool secret_locate(const char *path, char *full, size_t full_size, char *error, size_t size);

/*
 * The whole file (at most 64 KiB), NUL-terminated, in memory of its own; `*length` without the NUL.
 * NULL on an error, with one line for people in `error` (it names the path, never the content).
 * Caller wipes and frees with secret_free.
 */
char *secret_read(const char *path, size_t *length, char *error, size_t size);

/* The same, without trailing newlines: passwords. */
char *secret_read_line(const char *path, char *error, size_t size);

/* Wipes `length` bytes (explicit_bzero) and frees. NULL is allowed. */
void secret_free(char *secret, size_t length);

#endif
