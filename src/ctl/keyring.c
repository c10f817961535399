/*
 * keyring.c: looking at key files, and changing which one signs. The change is one rename(2) of a
 * symbolic link, so whoever opens it meets the old key or the new one and nothing in between.
 */
#include "ctl/keyring.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/secret.h"

/*
 * A minute for clocks that differ, for the ten seconds to which a signature is noted, and for a
 * request that signs as late as it may.
 */
enum { MARGIN_S = 60 };

#define PUBLIC_SUFFIX ".pub.pem"

static enum ctl_exit fail(const char *path)
{
    return ctl_fail("%s: %s", path, strerror(errno));
}

/* DIR/KID and a suffix. */
static void make_path(char out[PATH_MAX], const char *dir, const char *kid, const char *suffix)
{
    if (snprintf(out, PATH_MAX, "%s/%s%s", dir, kid, suffix) >= PATH_MAX)
        out[0] = '\0';
}

static bool is_kid(const char *text, size_t length)
{
    uint8_t thumbprint[32];

    return length == KEY_ID_LENGTH && base64url_decode(text, length, thumbprint,
                                          sizeof thumbprint) == (ssize_t)sizeof thumbprint;
}

/* The kid in a path .../KID.pem; "" when there is none. */
static void kid_of(const char *path, char kid[KEY_ID_LENGTH + 1])
{
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    size_t length = strlen(name);

    kid[0] = '\0';
    if (length == KEY_ID_LENGTH + 4 && strcmp(name + KEY_ID_LENGTH, ".pem") == 0 &&
        is_kid(name, KEY_ID_LENGTH))
        snprintf(kid, KEY_ID_LENGTH + 1, "%.*s", KEY_ID_LENGTH, name);
}

/* The kid of the private key in a file. */
static enum ctl_exit kid_inside(const char *path, char kid[KEY_ID_LENGTH + 1])
{
    char error[512];
    const char *problem = NULL;
    size_t length;
    char *pem = secret_read(path, &length, error, sizeof error);
    struct key *key;

    if (pem == NULL)
        return ctl_fail("%s", error);
    key = key_read_private(pem, length, &problem);
    secret_free(pem, length);
    if (key == NULL)
        return ctl_fail("%s %s", path, problem);
    memcpy(kid, key_id(key), KEY_ID_LENGTH + 1);
    key_free(key);
    return CTL_DONE;
}

/* Which key signs: by where the link leads, or by the file that stands in its place. */
static enum ctl_exit find_active(struct keyring *keyring)
{
    char target[PATH_MAX];
    ssize_t length = readlink(keyring->link, target, sizeof target - 1);

    if (length >= 0) {
        target[length] = '\0';
        kid_of(target, keyring->active);
        return CTL_DONE;
    }
    if (errno == ENOENT)
        return CTL_DONE;
    if (errno != EINVAL)
        return fail(keyring->link);
    kid_of(keyring->link, keyring->active);
    keyring->kind = keyring->active[0] != '\0' ? KEYRING_FIXED : KEYRING_COPY;
    return keyring->kind == KEYRING_FIXED ? CTL_DONE : kid_inside(keyring->link, keyring->active);
}

enum ctl_exit keyring_open(struct keyring *keyring, const struct config *config)
{
    char error[512];

    *keyring = (struct keyring){.config = config};
    if (config->token.public_keys_dir[0] == '\0')
        return ctl_fail("token.public_keys_dir is not set");
    if (!secret_locate(config->token.signing_key_file, keyring->link, sizeof keyring->link, error,
            sizeof error))
        return ctl_fail("token.signing_key_file: %s", error);
    snprintf(keyring->dir, sizeof keyring->dir, "%.*s",
        (int)(strrchr(keyring->link, '/') - keyring->link), keyring->link);
    return find_active(keyring);
}

/* The time of a file; 0 when it is not there. */
static int64_t time_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mtim.tv_sec : 0;
}

/* When the last token that was signed at this time is good no more. */
static int64_t last_token(const struct keyring *keyring, int64_t signed_at)
{
    const struct config *config = keyring->config;

    return signed_at + config->token.lifetime_s + config->token.leeway_s + MARGIN_S;
}

static int64_t when_ready(const struct keyring *keyring, const struct keyring_key *key)
{
    switch (key->state) {
    case KEY_PUBLISHED:
        return key->published + KEYS_MAX_AGE_S + MARGIN_S;
    case KEY_RETIRED:
        return last_token(keyring, key->stopped);
    case KEY_ACTIVE:
        break;
    }
    return 0;
}

enum ctl_exit keyring_look(const struct keyring *keyring, const char *kid, struct keyring_key *key)
{
    char path[PATH_MAX];

    if (!is_kid(kid, strlen(kid)))
        return ctl_misuse("this is not the id of a key");
    memset(key, 0, sizeof *key);
    memcpy(key->kid, kid, KEY_ID_LENGTH);
    key->connections = -1;
    make_path(path, keyring->config->token.public_keys_dir, kid, PUBLIC_SUFFIX);
    key->published = time_of(path);
    if (key->published == 0)
        return ctl_absent("%s: no such key is published", path);
    make_path(path, keyring->dir, kid, ".pem");
    key->private = time_of(path) != 0;
    make_path(path, keyring->dir, kid, ".stopped");
    key->stopped = time_of(path);
    if (strcmp(kid, keyring->active) == 0)
        key->state = KEY_ACTIVE;
    else
        key->state = key->stopped != 0 ? KEY_RETIRED : KEY_PUBLISHED;
    key->ready = when_ready(keyring, key);
    return CTL_DONE;
}

void keyring_signed(const struct keyring *keyring, struct keyring_key *key, int64_t signed_at)
{
    key->signed_at = signed_at;
    if (key->state == KEY_RETIRED && signed_at != 0)
        key->ready = MAX(key->ready, last_token(keyring, signed_at));
}

static int is_public(const struct dirent *entry)
{
    return strlen(entry->d_name) == KEY_ID_LENGTH + strlen(PUBLIC_SUFFIX) &&
           strcmp(entry->d_name + KEY_ID_LENGTH, PUBLIC_SUFFIX) == 0 &&
           is_kid(entry->d_name, KEY_ID_LENGTH);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int keyring_list(const struct keyring *keyring, struct keyring_key keys[KEYS_MAX])
{
    const char *dir = keyring->config->token.public_keys_dir;
    struct dirent **entries;
    int found = scandir(dir, &entries, is_public, by_name);
    int count = 0;

    if (found == -1) {
        fail(dir);
        return -1;
    }
    for (int i = 0; i < found; i++) {
        entries[i]->d_name[KEY_ID_LENGTH] = '\0';
        if (count < KEYS_MAX && keyring_look(keyring, entries[i]->d_name, &keys[count]) == CTL_DONE)
            count++;
        free(entries[i]);
    }
    free(entries);
    return count;
}

/* Whether the private half is what it is called, and may be used. */
static enum ctl_exit check_private(const char *path, const char *kid)
{
    char inside[KEY_ID_LENGTH + 1];
    enum ctl_exit code = kid_inside(path, inside);

    if (code == CTL_DONE && strcmp(inside, kid) != 0)
        code = ctl_fail("%s holds another key: %s", path, inside);
    return code;
}

/* An empty file of now. */
static enum ctl_exit touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum ctl_exit code = CTL_DONE;

    if (fd == -1)
        return fail(path);
    if (futimens(fd, NULL) == -1 || fsync(fd) == -1)
        code = fail(path);
    close(fd);
    return code;
}

/* Makes what was renamed or removed in the directory last. */
static enum ctl_exit settle(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum ctl_exit code = CTL_DONE;

    if (fd == -1)
        return fail(dir);
    if (fsync(fd) == -1)
        code = fail(dir);
    close(fd);
    return code;
}

static enum ctl_exit replace_link(const struct keyring *keyring, const char *kid)
{
    char temporary[PATH_MAX];
    char target[KEY_ID_LENGTH + 8];

    snprintf(target, sizeof target, "%s.pem", kid);
    make_path(temporary, keyring->dir, ".petsctl-link", "");
    unlink(temporary);
    if (symlink(target, temporary) == -1)
        return fail(temporary);
    if (rename(temporary, keyring->link) == -1) {
        enum ctl_exit code = fail(keyring->link);

        unlink(temporary);
        return code;
    }
    return settle(keyring->dir);
}

/* A copy is about to give way to the link: what it holds must be elsewhere, too. */
static enum ctl_exit keep_copy(const struct keyring *keyring)
{
    char path[PATH_MAX];

    make_path(path, keyring->dir, keyring->active, ".pem");
    if (time_of(path) != 0)
        return check_private(path, keyring->active);
    return link(keyring->link, path) == 0 ? CTL_DONE : fail(path);
}

enum ctl_exit keyring_activate(const struct keyring *keyring, const char *kid)
{
    char path[PATH_MAX];
    enum ctl_exit code;

    if (keyring->kind == KEYRING_FIXED)
        return ctl_fail(
            "%s is a key itself: let token.signing_key_file have another name, such as signing.pem",
            keyring->link);
    make_path(path, keyring->dir, kid, ".pem");
    code = check_private(path, kid);
    if (code == CTL_DONE && keyring->kind == KEYRING_COPY)
        code = keep_copy(keyring);
    make_path(path, keyring->dir, keyring->active, ".stopped");
    if (code == CTL_DONE && keyring->active[0] != '\0')
        code = touch(path);
    if (code == CTL_DONE)
        code = replace_link(keyring, kid);
    make_path(path, keyring->dir, kid, ".stopped");
    if (code == CTL_DONE)
        unlink(path);
    return code;
}

static enum ctl_exit remove_file(const char *path)
{
    return unlink(path) == 0 || errno == ENOENT ? CTL_DONE : fail(path);
}

enum ctl_exit keyring_remove(const struct keyring *keyring, const char *kid)
{
    const char *public_dir = keyring->config->token.public_keys_dir;
    static const char *const suffixes[] = {".pem", ".stopped"};
    char path[PATH_MAX];
    enum ctl_exit code;

    make_path(path, public_dir, kid, PUBLIC_SUFFIX);
    code = remove_file(path);
    if (code == CTL_DONE)
        code = settle(public_dir);
    for (size_t i = 0; i < countof(suffixes) && code == CTL_DONE; i++) {
        make_path(path, keyring->dir, kid, suffixes[i]);
        code = remove_file(path);
    }
    return code == CTL_DONE ? settle(keyring->dir) : code;
}
