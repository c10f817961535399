/*
 * auth_fixture.c: real files, made by the functions that petsctl uses.
 */
#include "auth_fixture.h"
#include "auth/generate.h"
#include "place.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

void fixture_open(struct fixture *fixture)
{
    char error[512];

    memset(fixture, 0, sizeof *fixture);
    place(fixture->dir, sizeof fixture->dir, "pets-auth");
    if (mkdtemp(fixture->dir) == NULL ||
        generate_key(fixture->dir, fixture->dir, fixture->kid, error, sizeof error) == -1 ||
        generate_key(fixture->dir, fixture->dir, fixture->other, error, sizeof error) == -1)
        abort();
    snprintf(fixture->signing_file, sizeof fixture->signing_file, "%s/%s.pem", fixture->dir,
        fixture->kid);
    snprintf(
        fixture->other_file, sizeof fixture->other_file, "%s/%s.pem", fixture->dir, fixture->other);
    snprintf(fixture->public_file, sizeof fixture->public_file, "%s/%s.pub.pem", fixture->dir,
        fixture->kid);
    fixture->config.token.issuer = "https://pets.example";
    fixture->config.token.audience = "pets-api";
    fixture->config.token.lifetime_s = 600;
    fixture->config.token.leeway_s = 5;
    fixture->config.token.signing_key_file = fixture->signing_file;
    fixture->config.token.public_keys_dir = fixture->dir;
}

void fixture_close(struct fixture *fixture)
{
    DIR *dir = opendir(fixture->dir);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    rmdir(fixture->dir);
}

char *fixture_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);

    if (file == NULL || text == NULL || fread(text, 1, 65535, file) == 0)
        abort();
    fclose(file);
    return text;
}

void fixture_write(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
        fchmod(fd, mode) == -1 || close(fd) == -1)
        abort();
}

struct key *fixture_key(const char *file)
{
    char *pem = fixture_read(file);
    const char *problem;
    struct key *key = key_read_private(pem, strlen(pem), &problem);

    free(pem);
    if (key == NULL)
        abort();
    return key;
}

char *fixture_forge(struct key *key, const char *header, const char *payload, size_t length)
{
    size_t header_length = strlen(header);
    char *token = malloc(BASE64URL_LENGTH(header_length) + BASE64URL_LENGTH(length) + 100);
    uint8_t signature[KEY_SIGNATURE_SIZE];
    size_t at;

    if (token == NULL)
        abort();
    at = base64url_encode(header, header_length, token);
    token[at++] = '.';
    at += base64url_encode(payload, length, token + at);
    if (key != NULL && key_sign(key, token, at, signature) == -1)
        abort();
    token[at++] = '.';
    token[at] = '\0';
    if (key != NULL)
        base64url_encode(signature, sizeof signature, token + at);
    return token;
}
