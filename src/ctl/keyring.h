/*
 * keyring.h: the files of the keys that sign access tokens, and what they say about each key. With
 * token.signing_key_file = DIR/NAME and token.public_keys_dir = PUBLIC:
 *
 *     DIR/KID.pem         the private half
 *     DIR/NAME            a symbolic link to the one that signs, or a copy of it
 *     DIR/KID.stopped     empty; its time is when another key took over
 *     PUBLIC/KID.pub.pem  the public half; its time is when it was published
 *
 * So the state of a key is nowhere but in these files, and people can see and mend it. Whether it
 * is also what the workers do is known to the database.
 */
#ifndef CTL_KEYRING_H
#define CTL_KEYRING_H

#include "auth/keys.h"
#include "ctl/ctl.h"

struct keyring {
    const struct config *config; /* borrowed */
    char link[PATH_MAX];         /* token.signing_key_file */
    char dir[PATH_MAX];
    char active[KEY_ID_LENGTH + 1]; /* of the key that signs; "": none yet */
    enum {
        KEYRING_LINK, /* the link is one, or is not there yet */
        KEYRING_COPY, /* a file with the key stands in its place */
        KEYRING_FIXED /* that file is DIR/KID.pem: no other key can take its place */
    } kind;
};

enum key_state {
    KEY_PUBLISHED, /* to be known to everybody before it signs */
    KEY_ACTIVE,    /* signs, once the pool has been reloaded */
    KEY_RETIRED    /* has signed: verifies until its last token has expired */
};

/* One key, and when what can be done with it next can be done; times are seconds since 1970. */
struct keyring_key {
    char kid[KEY_ID_LENGTH + 1];
    enum key_state state;
    bool private; /* its private half is here */
    int64_t published;
    int64_t stopped; /* 0: not yet */
    int64_t ready;   /* to be activated, or removed; 0: it is active */
    /* By the database, which whoever knows it fills in: */
    int64_t signed_at; /* a token was last signed with it; 0: never, or unknown */
    int connections;   /* of workers that sign with it; -1: unknown */
};

/* Finds the files by the configuration. CTL_DONE, or has complained. */
enum ctl_exit keyring_open(struct keyring *keyring, const struct config *config);

/* Looks at a key. CTL_DONE, or has complained: CTL_ABSENT when it is not published. */
enum ctl_exit keyring_look(const struct keyring *keyring, const char *kid, struct keyring_key *key);

/* All that are published, in the order of kid; at most KEYS_MAX. Their number, or -1 (complained).
 */
int keyring_list(const struct keyring *keyring, struct keyring_key keys[KEYS_MAX]);

/* Takes into account when it has signed: whatever the files say, its tokens are good until later.
 */
void keyring_signed(const struct keyring *keyring, struct keyring_key *key, int64_t signed_at);

/*
 * Makes the link name this key, at once, and notes that the one before has stopped. A copy that
 * stands in the place of the link is kept as DIR/KID.pem. CTL_DONE, or has complained and nothing
 * has changed.
 */
enum ctl_exit keyring_activate(const struct keyring *keyring, const char *kid);

/* Removes the files of a key, the public half first. CTL_DONE, or has complained. */
enum ctl_exit keyring_remove(const struct keyring *keyring, const char *kid);

#endif
