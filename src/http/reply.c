/*
 * reply.c: rendering. Everything that an error says to a client is said here, from the table of
 * errors, so that every error looks the same and none says too much.
 */
#include "http/reply.h"

enum { BODY_SIZE = 1024 };

void reply_init(struct reply *reply, struct arena *arena)
{
    memset(reply, 0, sizeof *reply);
    reply->status = 200;
    buf_init(&reply->body, arena, BODY_SIZE);
    json_out_init(&reply->json, &reply->body);
}

static void put_member(struct json_out *json, const char *name, const char *value)
{
    if (value == NULL)
        return;
    json_key(json, name);
    json_put_string(json, value);
}

static void put_violations(struct json_out *json, const struct violations *violations)
{
    json_key(json, "errors");
    json_open_array(json);
    for (size_t i = 0; i < violations->count; i++) {
        const struct violation *violation = &violations->list[i];

        json_open_object(json);
        put_member(json, "pointer", violation->pointer);
        put_member(json, "parameter", violation->parameter);
        put_member(json, "code", violation->code);
        put_member(json, "detail", violation->detail);
        json_close_object(json);
    }
    json_close_array(json);
}

/* RFC 6750 section 3: what was wrong with the credentials; nothing when there were none. */
static const char *challenge(enum err err)
{
    switch (err) {
    case ERR_TOKEN_INVALID:
    case ERR_TOKEN_EXPIRED:
    case ERR_SESSION_ENDED:
        return "Bearer realm=\"pets-api\", error=\"invalid_token\"";
    case ERR_INSUFFICIENT_SCOPE:
        return "Bearer realm=\"pets-api\", error=\"insufficient_scope\"";
    default:
        return "Bearer realm=\"pets-api\"";
    }
}

void reply_problem(struct reply *reply, const struct request *request, enum err err,
    const char *detail, const struct violations *violations)
{
    const struct err_info *info = err_info(err);
    const struct reply before = *reply;
    struct arena *arena = reply->body.arena;
    struct json_out *json = &reply->json;
    bool media = err == ERR_UNSUPPORTED_MEDIA_TYPE;

    reply_init(reply, arena);
    reply->accept_post = media ? before.accept_post : NULL;
    reply->accept_patch = media ? before.accept_patch : NULL;
    reply->accept_encoding = media ? before.accept_encoding : NULL;
    reply->allow = err == ERR_METHOD_NOT_ALLOWED ? before.allow : NULL;
    reply->rate_limit_policy = before.rate_limit_policy;
    reply->rate_limit = before.rate_limit;
    reply->status = info->status;
    reply->content_type = "application/problem+json";
    reply->retry_after = before.retry_after > 0 ? before.retry_after : info->retry_after;
    if (info->status == 401 || err == ERR_INSUFFICIENT_SCOPE)
        reply->challenge = before.challenge != NULL ? before.challenge : challenge(err);
    json_open_object(json);
    put_member(json, "type", arena_format(arena, "/docs/errors#%s", info->code));
    put_member(json, "title", info->title);
    json_key(json, "status");
    json_put_int(json, info->status);
    put_member(json, "code", info->code);
    put_member(json, "detail", detail != NULL ? detail : info->detail);
    put_member(json, "instance", request->target);
    put_member(json, "trace_id", request->trace_id);
    if (violations != NULL && violations->count > 0)
        put_violations(json, violations);
    json_close_object(json);
}

static void put_line(struct buf *head, const char *rest)
{
    buf_puts(head, rest);
    buf_put(head, "\r\n", 2);
}

static void put_header(struct buf *head, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_puts(head, name);
    buf_put(head, ": ", 2);
    put_line(head, value);
}

static void put_number(struct buf *head, const char *name, int64_t value)
{
    buf_puts(head, name);
    buf_put(head, ": ", 2);
    buf_int(head, value);
    buf_put(head, "\r\n", 2);
}

/* nginx hands the status on as it is; a status line has a reason phrase (RFC 9112 section 4). */
static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"},
        {304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
        {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {409, "Conflict"},
        {412, "Precondition Failed"}, {413, "Content Too Large"}, {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"}, {429, "Too Many Requests"}, {500, "Internal Server Error"},
        {501, "Not Implemented"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"}};

    for (size_t i = 0; i < countof(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Other";
}

void reply_head(const struct reply *reply, struct buf *head)
{
    bool bodiless = reply->status == 204 || reply->status == 304;

    buf_puts(head, "Status: ");
    buf_int(head, reply->status);
    buf_putc(head, ' ');
    put_line(head, reason(reply->status));
    if (!bodiless && reply->body.length > 0)
        put_header(head, "Content-Type",
            reply->content_type == NULL ? "application/json" : reply->content_type);
    if (!bodiless)
        put_number(head, "Content-Length", (int64_t)reply->body.length);
    if (reply->version > 0) {
        buf_puts(head, "ETag: \"");
        buf_int(head, reply->version);
        buf_puts(head, "\"\r\n");
    }
    put_header(head, "Location", reply->location);
    put_header(head, "Link", reply->link);
    put_header(head, "Allow", reply->allow);
    put_header(head, "Accept", reply->accept_post);
    put_header(head, "Accept-Patch", reply->accept_patch);
    put_header(head, "Accept-Encoding", reply->accept_encoding);
    put_header(head, "WWW-Authenticate", reply->challenge);
    put_header(head, "Preference-Applied", reply->preference_applied);
    put_header(head, "Cache-Control", reply->cache_control);
    put_header(head, "Vary", reply->vary);
    put_header(head, "RateLimit-Policy", reply->rate_limit_policy);
    put_header(head, "RateLimit", reply->rate_limit);
    if (reply->retry_after > 0)
        put_number(head, "Retry-After", reply->retry_after);
    buf_put(head, "\r\n", 2);
}
