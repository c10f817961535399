/*
 * grant.c: an access token for the session, and the two written down together.
 */
#include "auth/grant.h"

#include "auth/token.h"
#include "base/timestamp.h"

static const char *access_token(const struct config *config, const struct keys *keys,
    const struct grant *grant, struct arena *arena)
{
    int64_t now = timestamp_epoch_s(timestamp_now());
    struct claims claims = {.account = grant->account,
        .session = grant->refresh.session,
        .issued = now,
        .expires = now + config->token.lifetime_s};

    uuid_v7(&claims.id);
    return token_issue(config, keys, &claims, arena);
}

int grant_write(const struct config *config, const struct keys *keys, const struct grant *grant,
    struct arena *arena, struct json_out *json)
{
    const char *token = access_token(config, keys, grant, arena);

    if (token == NULL)
        return -1;
    json_open_object(json);
    json_key(json, "access_token");
    json_put_string(json, token);
    json_key(json, "token_type");
    json_put_string(json, "Bearer");
    json_key(json, "expires_in");
    json_put_int(json, config->token.lifetime_s);
    json_key(json, "refresh_token");
    json_put_string(json, grant->refresh.text);
    json_key(json, "refresh_expires_in");
    json_put_int(json, grant->refresh_expires_in);
    json_key(json, "session_id");
    json_put_uuid(json, &grant->refresh.session);
    json_close_object(json);
    return 0;
}
