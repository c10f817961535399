/*
 * generate.c: making key files. The link at the end is what makes the name appear, at once and only
 * if it is free; a crash before it leaves a hidden temporary file and nothing else.
 */
#include "auth/generate.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { PEM_SIZE = 1024, SECRET_BYTES = 32 };

/* One line for people; always -1, so that it can be returned. */
static int fail(char *error, size_t size, const char *path, const char *problem)
{
    snprintf(error, size, "%s: %s", path, problem);
    return -1;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);

        if (written == -1 && errno != EINTR)
            return -1;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static int fill(int fd, const char *text, mode_t mode)
{
    int result = write_all(fd, text, strlen(text)) == 0 && fchmod(fd, mode) == 0 ? fsync(fd) : -1;
    int saved = errno;

    close(fd);
    errno = saved;
    return result;
}

/* The file `name` of the directory `dir`. -1 with errno. */
static int create(int dir, const char *name, mode_t mode, const char *text)
{
    char temporary[64];
    int saved;
    int fd;
    int result = -1;

    snprintf(temporary, sizeof temporary, ".petsctl-%ld", (long)getpid());
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        return -1;
    if (fill(fd, text, mode) == 0 && linkat(dir, temporary, dir, name, 0) == 0)
        result = 0;
    saved = errno;
    unlinkat(dir, temporary, 0);
    errno = saved;
    return result == 0 ? fsync(dir) : -1;
}

/* One half, as DIR/KID and a suffix. */
static int create_half(const struct key *key, const char *path, const char *suffix, mode_t mode,
    const char *pem, char *error, size_t size)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[KEY_ID_LENGTH + 16];
    int result = 0;

    if (dir == -1)
        return fail(error, size, path, strerror(errno));
    snprintf(name, sizeof name, "%s%s", key_id(key), suffix);
    if (create(dir, name, mode, pem) == -1)
        result = fail(error, size, path, strerror(errno));
    close(dir);
    return result;
}

/* A key whose id is good on a command line, too: one in 64 begins like an option, and is not taken.
 */
static struct key *new_key(void)
{
    struct key *key = key_generate();

    while (key != NULL && key_id(key)[0] == '-') {
        key_free(key);
        key = key_generate();
    }
    return key;
}

int generate_key(
    const char *dir, const char *public_dir, char kid[KEY_ID_LENGTH + 1], char *error, size_t size)
{
    struct key *key = new_key();
    char public[PEM_SIZE];
    char private[PEM_SIZE];
    int result = -1;

    if (key == NULL || key_write_public(key, public, sizeof public) == -1 ||
        key_write_private(key, private, sizeof private) == -1)
        fail(error, size, dir, "the cryptographic library failed");
    else if (create_half(key, public_dir, ".pub.pem", 0644, public, error, size) == 0 &&
             create_half(key, dir, ".pem", 0600, private, error, size) == 0)
        result = 0;
    if (result == 0)
        memcpy(kid, key_id(key), KEY_ID_LENGTH + 1);
    explicit_bzero(private, sizeof private);
    key_free(key);
    return result;
}

/* The directory of a path, opened, and the rest of it. -1 with errno. */
static int open_parent(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];
    int length = slash == NULL
                     ? snprintf(parent, sizeof parent, ".")
                     : snprintf(parent, sizeof parent, "%.*s/", (int)(slash - path), path);

    *name = slash == NULL ? path : slash + 1;
    if (length < 0 || (size_t)length >= sizeof parent || strlen(path) >= sizeof parent) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int generate_secret(const char *path, char *error, size_t size)
{
    uint8_t bytes[SECRET_BYTES];
    char line[BASE64URL_LENGTH(SECRET_BYTES) + 2];
    const char *name;
    int dir = open_parent(path, &name);
    size_t length;
    int result = 0;

    if (dir == -1)
        return fail(error, size, path, strerror(errno));
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        close(dir);
        return fail(error, size, path, "the kernel gives no randomness");
    }
    length = base64url_encode(bytes, sizeof bytes, line);
    line[length] = '\n';
    line[length + 1] = '\0';
    if (create(dir, name, 0600, line) == -1)
        result = fail(error, size, path, strerror(errno));
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(line, sizeof line);
    close(dir);
    return result;
}
