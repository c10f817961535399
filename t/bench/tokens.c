/*
 * tokens.c: access tokens for the benchmark, made by the program's own issuer: logging a thousand
 * people in would take minutes of bcrypt.
 *
 *   tokens AUTH.INI SECONDS < "SESSION ACCOUNT" lines     writes one token a line
 */
#include "base/base.h"

#include <time.h>

#include "auth/token.h"

static int issue(const struct config *config, const struct keys *keys, long seconds)
{
    char session[64], account[64];
    struct arena *arena = arena_new(4096);
    int64_t now = (int64_t)time(NULL);

    while (scanf("%63s %63s", session, account) == 2) {
        struct claims claims = {.issued = now, .expires = now + seconds};
        const char *token;

        uuid_v7(&claims.id);
        if (!uuid_parse(session, strlen(session), &claims.session) ||
            !uuid_parse(account, strlen(account), &claims.account)) {
            fprintf(stderr, "tokens: not two UUIDs: %s %s\n", session, account);
            return EXIT_FAILURE;
        }
        token = token_issue(config, keys, &claims, arena);
        if (token == NULL)
            return EXIT_FAILURE;
        puts(token);
        arena_reset(arena);
    }
    arena_free(arena);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    char error[512] = "";
    struct config *config;
    struct keys *keys;
    int status;

    if (argc != 3) {
        fputs("usage: tokens AUTH.INI SECONDS\n", stderr);
        return 2;
    }
    config = config_read(argv[1], error, sizeof error);
    keys = config == NULL ? NULL : keys_load(config, error, sizeof error);
    if (keys == NULL) {
        fprintf(stderr, "tokens: %s\n", error);
        return EXIT_FAILURE;
    }
    status = issue(config, keys, strtol(argv[2], NULL, 10));
    keys_free(keys);
    config_free(config);
    return status;
}
