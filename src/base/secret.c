/*
 * secret.c: a secret is a small regular file that nobody else can read. The checks are made on the
 * open descriptor, so that nothing can be swapped in between, and every failure says which rule was
 * broken without saying a byte of the content.
 */
#include "base/secret.h"
#include "base/base.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { SECRET_MAX = 65536 };

/* Leaves the message and returns false. */
static bool refuse(char *error, size_t size, const char *path, const char *why)
{
    snprintf(error, size, "%s: %s", path, why);
    return false;
}

/* The directory of systemd's credentials, or NULL. */
static const char *credentials_directory(void)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    return directory != NULL && directory[0] == '/' ? directory : NULL;
}

/* Whether `path` names something below `directory`. */
static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    while (length > 1 && directory[length - 1] == '/')
        length--;
    return strncmp(path, directory, length) == 0 && path[length] == '/' &&
           strstr(path + length, "/../") == NULL;
}

bool secret_locate(const char *path, char *full, size_t full_size, char *error, size_t size)
{
    const char *directory = credentials_directory();
    int length;

    if (path[0] == '/') {
        length = snprintf(full, full_size, "%s", path);
    } else {
        if (path[0] == '\0')
            return refuse(error, size, "secret", "no file is configured");
        if (directory == NULL)
            return refuse(error, size, path,
                "a relative path is taken below $CREDENTIALS_DIRECTORY, which is not set");
        if (strncmp(path, "../", 3) == 0 || strstr(path, "/../") != NULL)
            return refuse(error, size, path, "may not lead out of $CREDENTIALS_DIRECTORY");
        length = snprintf(full, full_size, "%s/%s", directory, path);
    }
    if (length < 0 || (size_t)length >= full_size)
        return refuse(error, size, path, "the path is too long");
    return true;
}

static bool check(const char *path, const struct stat *status, char *error, size_t size)
{
    const char *directory = credentials_directory();

    if (!S_ISREG(status->st_mode))
        return refuse(error, size, path, "is not a regular file");
    if (status->st_size > SECRET_MAX)
        return refuse(error, size, path, "is larger than 64 KiB");
    if (directory != NULL && is_below(path, directory))
        return true;
    if ((status->st_mode & 077) != 0)
        return refuse(error, size, path,
            "others than its owner may access it: its mode must be 0600 or 0400");
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return refuse(error, size, path, "belongs to another user");
    return true;
}

/* All of the file behind `fd` but at most SECRET_MAX bytes; -1 with errno. */
static ssize_t read_all(int fd, char *bytes)
{
    size_t length = 0;

    while (length <= SECRET_MAX) {
        ssize_t got = read(fd, bytes + length, SECRET_MAX + 1 - length);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            length += (size_t)got;
    }
    return (ssize_t)length;
}

/* The content in memory that fits it exactly; NULL with a message. */
static char *load(const char *path, int fd, size_t *length, char *error, size_t size)
{
    char *bytes = malloc(SECRET_MAX + 1);
    char *secret = NULL;
    ssize_t got;

    if (bytes == NULL)
        base_out_of_memory();
    got = read_all(fd, bytes);
    if (got < 0) {
        refuse(error, size, path, strerror(errno));
    } else if (got == 0) {
        refuse(error, size, path, "is empty");
    } else if (got > SECRET_MAX) {
        refuse(error, size, path, "is larger than 64 KiB");
    } else {
        secret = malloc((size_t)got + 1);
        if (secret == NULL)
            base_out_of_memory();
        memcpy(secret, bytes, (size_t)got);
        secret[got] = '\0';
        *length = (size_t)got;
    }
    secret_free(bytes, SECRET_MAX + 1);
    return secret;
}

char *secret_read(const char *path, size_t *length, char *error, size_t size)
{
    char full[PATH_MAX];
    struct stat status;
    char *secret = NULL;
    int fd;

    if (!secret_locate(path, full, sizeof full, error, size))
        return NULL;
    fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        refuse(error, size, full, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &status) != 0)
        refuse(error, size, full, strerror(errno));
    else if (check(full, &status, error, size))
        secret = load(full, fd, length, error, size);
    close(fd);
    return secret;
}

char *secret_read_line(const char *path, char *error, size_t size)
{
    size_t length;
    char *secret = secret_read(path, &length, error, size);

    if (secret == NULL)
        return NULL;
    if (memchr(secret, '\0', length) != NULL) {
        refuse(error, size, path, "contains a NUL byte");
        secret_free(secret, length);
        return NULL;
    }
    while (length > 0 && (secret[length - 1] == '\n' || secret[length - 1] == '\r'))
        secret[--length] = '\0';
    if (length == 0) {
        refuse(error, size, path, "is empty");
        secret_free(secret, length);
        return NULL;
    }
    return secret;
}

void secret_free(char *secret, size_t length)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret, length);
    free(secret);
}
