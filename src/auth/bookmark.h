/*
 * bookmark.h: where a page of a list ends, as text that only this service can make or read: sealed
 * with AES-SIV (RFC 5297) under a key from a credential file. It is good in its context alone,
 * which says whose list it is, which one, and what was asked for: the context is authenticated, not
 * kept. The same position has the same text, so that the same request has the same answer.
 */
#ifndef AUTH_BOOKMARK_H
#define AUTH_BOOKMARK_H

#include "auth/server_key.h"
#include "base/arena.h"
#include "db/query.h"

#define BOOKMARK_PURPOSE "pets-api cursor"

/* The keys, ready to be used. */
struct bookmark;

/* Copies the keys; `previous` may be NULL. NULL when the library fails. Caller frees. */
struct bookmark *bookmark_new(const struct server_key *current, const struct server_key *previous);

/*
 * The same from two files (see server_key_read); the path of the previous one may be empty. Made
 * are bookmarks with the current key; good are those of either. NULL on an error, with one line
 * for people in `error`.
 */
struct bookmark *bookmark_read(const char *current, const char *previous, char *error, size_t size);

/* NULL is allowed. */
void bookmark_free(struct bookmark *bookmark);

/* The text for a position, which is not empty, in base64url; owned by the arena. NULL when the
 * library fails. */
char *bookmark_make(const struct bookmark *bookmark, struct arena *arena,
    const struct text *context, const struct text *position);

/* The position, owned by the arena. False when the text was not made so, and in that context. */
bool bookmark_open(const struct bookmark *bookmark, struct arena *arena, const struct text *context,
    const struct text *text, struct text *position);

#endif
