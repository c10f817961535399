/*
 * grant.h: what a person gets who has logged in or refreshed: an access token, and the refresh
 * token that replaces both (RFC 6749 section 5.1, with the session's id).
 */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H

#include "auth/keys.h"
#include "auth/refresh.h"
#include "http/json_out.h"

struct grant {
    struct uuid account;
    struct refresh_token refresh; /* names the session */
    int32_t refresh_expires_in;   /* seconds */
};

/* Issues an access token and writes the whole as a JSON object; the arena holds what is in it. -1
 * when a library fails (logged). */
int grant_write(const struct config *config, const struct keys *keys, const struct grant *grant,
    struct arena *arena, struct json_out *json);

#endif
