/*
 * blocklist.h: a sorted file of lines, searched without being read: it is mapped, and a search
 * touches about one line for each doubling of its size. So a list may be many gigabytes large, and
 * all workers share what the kernel keeps of it in memory. Lines end with LF or CR LF; the last one
 * need not.
 *
 * To replace a file, put the new one in its place by rename(2) and reload: the old one stays mapped
 * until then. A file that is changed in place is noticed and no longer used, since what is mapped
 * cannot be trusted; there is a moment in which a file that is being cut short still ends the
 * worker (SIGBUS), and a new one takes its place.
 */
#ifndef AUTH_BLOCKLIST_H
#define AUTH_BLOCKLIST_H

#include "base/base.h"

enum blocklist_kind {
    BLOCKLIST_TEXT, /* a word a line, without upper-case ASCII letters, in the order of its bytes */
    BLOCKLIST_SHA1, /* 40 hex digits, and perhaps a colon and anything more, in order of the digits
                     */
};

enum blocklist_answer { BLOCKLIST_ABSENT, BLOCKLIST_PRESENT, BLOCKLIST_UNUSABLE };

enum { BLOCKLIST_LINE_MAX = 1024 }; /* bytes, without the end of the line */

struct blocklist;

/*
 * Maps a file, when it is a regular one, not empty, and nobody but its owner may write it. Up to 16
 * MiB every line is checked for form and order, of a larger file some thousand all over it. NULL
 * on an error, with one line for people in `error`: the file, the byte, and what is wrong there.
 * Caller frees.
 */
struct blocklist *blocklist_open(
    const char *path, enum blocklist_kind kind, char *error, size_t size);
void blocklist_free(struct blocklist *list);

/*
 * Whether `key` is a line: a word, or 40 hex digits in either case. UNUSABLE: the file has been
 * changed in place, or the line that was met has not the form that its kind promises.
 */
enum blocklist_answer blocklist_find(struct blocklist *list, const char *key, size_t length);

/* How many lines all searches have looked at, since it was opened. */
uint64_t blocklist_lines_seen(const struct blocklist *list);

#endif
