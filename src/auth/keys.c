/*
 * keys.c: the directory of public keys as a small sorted array, the signing key, and the JWK set
 * that is served to others. Files are opened once and checked on the descriptor. Everything that is
 * wrong is an error at start, never a key left out silently: a missing key would show as refused
 * tokens, hours later.
 */
#include "auth/keys.h"
#include "base/secret.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SUFFIX ".pub.pem"

enum { PEM_SIZE = 8192, JWK_SIZE = 256 };

struct keys {
    size_t count;
    struct key *public[KEYS_MAX]; /* by kid */
    struct key *signing;
    char *jwks;
};

/* One line for people; always -1, so that it can be returned. */
static int fail(char *error, size_t size, const char *path, const char *problem)
{
    snprintf(error, size, "%s %s", path, problem);
    return -1;
}

/* A path below a directory; -1 when it is too long. */
static int join(char out[PATH_MAX], const char *dir, const char *name)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", dir, name);

    return length >= 0 && length < PATH_MAX ? 0 : -1;
}

/* Why what `fd` is cannot be trusted with keys, or NULL. */
static const char *distrust(int fd, mode_t type)
{
    struct stat status;

    if (fstat(fd, &status) == -1)
        return "cannot be examined";
    if ((status.st_mode & S_IFMT) != type)
        return type == S_IFDIR ? "is not a directory" : "is not a regular file";
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return "may be written by group or others, who could then mint tokens (chmod go-w)";
    return NULL;
}

/* The whole file; its length, or -1. */
static ssize_t read_file(int fd, char pem[PEM_SIZE])
{
    size_t length = 0;
    ssize_t got;

    while ((got = read(fd, pem + length, PEM_SIZE - length)) != 0) {
        if (got == -1 && errno != EINTR)
            return -1;
        if (got > 0)
            length += (size_t)got;
        if (length == PEM_SIZE)
            return -1;
    }
    return (ssize_t)length;
}

static struct key *read_public(int dir, const char *name, const char **problem)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct key *key = NULL;
    char pem[PEM_SIZE];
    ssize_t length;

    if (fd == -1) {
        *problem = strerror(errno);
        return NULL;
    }
    *problem = distrust(fd, S_IFREG);
    if (*problem == NULL) {
        length = read_file(fd, pem);
        if (length == -1)
            *problem = "cannot be read, or is far too large";
        else
            key = key_read_public(pem, (size_t)length, problem);
    }
    close(fd);
    return key;
}

/* The name must be the thumbprint. */
static int add_public(
    struct keys *keys, int dir, const char *path, const char *name, char *error, size_t size)
{
    const char *problem = NULL;
    struct key *key;
    char full[PATH_MAX];

    if (join(full, path, name) == -1)
        return fail(error, size, path, "is too long a path");
    if (keys->count == KEYS_MAX)
        return fail(error, size, path, "holds more than 16 public keys");
    key = read_public(dir, name, &problem);
    if (key == NULL)
        return fail(error, size, full, problem);
    keys->public[keys->count++] = key;
    if (strlen(name) == KEY_ID_LENGTH + strlen(SUFFIX) &&
        memcmp(name, key_id(key), KEY_ID_LENGTH) == 0)
        return 0;
    snprintf(
        error, size, "%s is not named after its key: it should be %s" SUFFIX, full, key_id(key));
    return -1;
}

static int is_public_key(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length >= strlen(SUFFIX) &&
           strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_directory(struct keys *keys, const char *path, int dir, char *error, size_t size)
{
    const char *problem = distrust(dir, S_IFDIR);
    struct dirent **entries;
    int result = 0;
    int count;

    if (problem != NULL)
        return fail(error, size, path, problem);
    count = scandir(path, &entries, is_public_key, by_name);
    if (count == -1)
        return fail(error, size, path, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = add_public(keys, dir, path, entries[i]->d_name, error, size);
        free(entries[i]);
    }
    free(entries);
    if (count == 0)
        return fail(error, size, path, "holds no public key (*" SUFFIX "): petsctl key new");
    return result;
}

static int load_public(struct keys *keys, const char *path, char *error, size_t size)
{
    int dir = open(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    int result;

    if (path[0] == '\0')
        return fail(error, size, "token.public_keys_dir", "is not set");
    if (dir == -1)
        return fail(error, size, path, strerror(errno));
    result = load_directory(keys, path, dir, error, size);
    close(dir);
    return result;
}

/* The public half of the signing key must be there, or its tokens would be refused. */
static int check_signing(const struct keys *keys, const char *path, char *error, size_t size)
{
    if (keys->signing == NULL || keys_find(keys, key_id(keys->signing)) != NULL)
        return 0;
    snprintf(error, size, "%s: its public half %s" SUFFIX " is not in token.public_keys_dir", path,
        key_id(keys->signing));
    return -1;
}

static int load_signing(struct keys *keys, const char *path, char *error, size_t size)
{
    const char *problem;
    size_t length;
    char *pem = secret_read(path, &length, error, size);

    if (pem == NULL)
        return -1;
    keys->signing = key_read_private(pem, length, &problem);
    secret_free(pem, length);
    if (keys->signing == NULL)
        return fail(error, size, path, problem);
    return check_signing(keys, path, error, size);
}

/* RFC 7517; every value is of the base64url alphabet, so nothing needs escaping. */
static char *make_jwks(const struct keys *keys)
{
    size_t size = JWK_SIZE * (keys->count + 1);
    size_t length = 0;
    char *text = malloc(size);

    if (text == NULL)
        base_out_of_memory();
    for (size_t i = 0; i < keys->count; i++) {
        const struct key *key = keys->public[i];

        length += (size_t)snprintf(text + length, size - length,
            "%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\","
            "\"use\":\"sig\",\"alg\":\"ES256\"}",
            i == 0 ? "{\"keys\":[" : ",", key_x(key), key_y(key), key_id(key));
    }
    snprintf(text + length, size - length, "]}");
    return text;
}

struct keys *keys_load(const struct config *config, char *error, size_t size)
{
    const char *signing = config->token.signing_key_file;
    struct keys *keys = calloc(1, sizeof *keys);

    if (keys == NULL)
        base_out_of_memory();
    if (load_public(keys, config->token.public_keys_dir, error, size) == -1 ||
        (signing[0] != '\0' && load_signing(keys, signing, error, size) == -1)) {
        keys_free(keys);
        return NULL;
    }
    keys->jwks = make_jwks(keys);
    return keys;
}

void keys_free(struct keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        key_free(keys->public[i]);
    key_free(keys->signing);
    free(keys->jwks);
    free(keys);
}

static bool same_public(const struct keys *a, const struct keys *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(key_id(a->public[i]), key_id(b->public[i])) != 0)
            return false;
    return true;
}

int keys_renew(struct keys *keys, const struct config *config, char *error, size_t size)
{
    struct keys old = *keys;
    struct keys *found = calloc(1, sizeof *found);
    int result = -1;

    if (found == NULL)
        base_out_of_memory();
    /* The private half is lent, for the check. */
    found->signing = keys->signing;
    if (load_public(found, config->token.public_keys_dir, error, size) == 0 &&
        check_signing(found, config->token.signing_key_file, error, size) == 0)
        result = same_public(keys, found) ? 0 : 1;
    if (result == 1) {
        *keys = *found;
        keys->jwks = make_jwks(keys);
        *found = old;
    }
    found->signing = NULL;
    keys_free(found);
    return result;
}

struct key *keys_find(const struct keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(key_id(keys->public[i]), kid) == 0)
            return keys->public[i];
    return NULL;
}

size_t keys_count(const struct keys *keys)
{
    return keys->count;
}

struct key *keys_at(const struct keys *keys, size_t at)
{
    return keys->public[at];
}

struct key *keys_signing(const struct keys *keys)
{
    return keys->signing;
}

int64_t keys_signing_published(const struct keys *keys, const struct config *config)
{
    char path[PATH_MAX];
    struct stat status;

    if (keys->signing == NULL ||
        snprintf(path, sizeof path, "%s/%s" SUFFIX, config->token.public_keys_dir,
            key_id(keys->signing)) >= (int)sizeof path ||
        stat(path, &status) != 0)
        return 0;
    return status.st_mtime;
}

const char *keys_jwks(const struct keys *keys)
{
    return keys->jwks;
}

/* FNV-1a; nobody gains anything by finding two sets of keys with one number. */
int32_t keys_version(const struct keys *keys)
{
    uint32_t hash = 2166136261U;

    for (const char *at = keys->jwks; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619U;
    return (int32_t)(hash & INT32_MAX) | 1;
}
