/*
 * request.c: from FastCGI parameters to a request. nginx hands the request line on as it came, so
 * that there is one place that decodes it, and this is the place.
 */
#include "http/request.h"

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "http/utf8.h"

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

char *percent_decode(
    struct arena *arena, const char *text, size_t length, bool plus, size_t *decoded)
{
    char *out = arena_alloc(arena, length + 1);
    size_t at = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            int high = length - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

            if (low < 0)
                return NULL;
            out[at++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[at++] = plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[at] = '\0';
    *decoded = at;
    return out;
}

/* What the web server passes on (nginx/fastcgi.conf). */
enum param {
    REQUEST_METHOD,
    REQUEST_URI,
    REQUEST_ID,
    REMOTE_ADDR,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    AUTHORIZATION,
    ACCEPT,
    IF_MATCH,
    IF_NONE_MATCH,
    IDEMPOTENCY_KEY,
    PREFER,
    TRACEPARENT,
    USER_AGENT,
    PARAMS
};

static const struct fastcgi_name names[PARAMS] = {
    [REQUEST_METHOD] = FASTCGI_NAME("REQUEST_METHOD"),
    [REQUEST_URI] = FASTCGI_NAME("REQUEST_URI"),
    [REQUEST_ID] = FASTCGI_NAME("REQUEST_ID"),
    [REMOTE_ADDR] = FASTCGI_NAME("REMOTE_ADDR"),
    [CONTENT_TYPE] = FASTCGI_NAME("CONTENT_TYPE"),
    [CONTENT_ENCODING] = FASTCGI_NAME("HTTP_CONTENT_ENCODING"),
    [AUTHORIZATION] = FASTCGI_NAME("HTTP_AUTHORIZATION"),
    [ACCEPT] = FASTCGI_NAME("HTTP_ACCEPT"),
    [IF_MATCH] = FASTCGI_NAME("HTTP_IF_MATCH"),
    [IF_NONE_MATCH] = FASTCGI_NAME("HTTP_IF_NONE_MATCH"),
    [IDEMPOTENCY_KEY] = FASTCGI_NAME("HTTP_IDEMPOTENCY_KEY"),
    [PREFER] = FASTCGI_NAME("HTTP_PREFER"),
    [TRACEPARENT] = FASTCGI_NAME("HTTP_TRACEPARENT"),
    [USER_AGENT] = FASTCGI_NAME("HTTP_USER_AGENT"),
};

/* A copy; one that is empty is none. */
static const char *kept(struct arena *arena, const char *value)
{
    return value == NULL || value[0] == '\0' ? NULL : arena_string(arena, value);
}

/* The address, unless it is a Unix socket's or otherwise none that the database would take. */
static const char *take_address(const char *given)
{
    struct in6_addr address;

    if (given == NULL)
        return NULL;
    return inet_pton(strchr(given, ':') == NULL ? AF_INET : AF_INET6, given, &address) == 1 ? given
                                                                                            : NULL;
}

/* A header that is stored as text, unless it is not text. */
static const char *take_text(const char *given)
{
    if (given == NULL || utf8_length(given, strlen(given)) < 0)
        return NULL;
    return utf8_printable(given, strlen(given), false) ? given : NULL;
}

/* The web server's request id, or a new one when there is none or it is not of the known form. */
static void take_id(struct request *request, const char *given)
{
    static const char hex[] = "0123456789abcdef";
    struct uuid uuid;

    if (given != NULL && strlen(given) == REQUEST_ID_SIZE - 1 &&
        strspn(given, hex) == REQUEST_ID_SIZE - 1) {
        memcpy(request->id, given, REQUEST_ID_SIZE);
        return;
    }
    uuid_v7(&uuid);
    for (size_t i = 0; i < sizeof uuid.bytes; i++) {
        request->id[2 * i] = hex[uuid.bytes[i] >> 4];
        request->id[2 * i + 1] = hex[uuid.bytes[i] & 15];
    }
    request->id[REQUEST_ID_SIZE - 1] = '\0';
}

/* The client may send any bytes here, but the target is shown in JSON and in headers. */
static const char *clean_target(struct arena *arena, const char *uri, size_t length)
{
    struct buf target;

    buf_init(&target, arena, length);
    for (size_t i = 0; i < length; i++) {
        if (uri[i] > ' ' && uri[i] < 0x7f && strchr("\"<>\\^`{|}", uri[i]) == NULL)
            buf_putc(&target, uri[i]);
        else
            buf_printf(&target, "%%%02X", (unsigned char)uri[i]);
    }
    return target.data;
}

static enum err take_target(struct request *request, struct arena *arena, const char *uri)
{
    size_t length = strcspn(uri, "?#"), decoded;

    request->target = clean_target(arena, uri, length);
    request->query = uri[length] == '?' ? arena_string(arena, uri + length + 1) : NULL;
    request->path = percent_decode(arena, uri, length, false, &decoded);
    /* A path with a NUL, or not in UTF-8, names nothing. */
    if (request->path == NULL || decoded != strlen(request->path) ||
        utf8_length(request->path, decoded) < 0) {
        request->path = "";
        return ERR_NOT_FOUND;
    }
    return ERR_NONE;
}

enum err request_read(struct request *request, const struct fastcgi *fastcgi, struct arena *arena)
{
    const char *given[PARAMS];

    fastcgi_params(fastcgi, names, given, PARAMS);
    take_id(request, given[REQUEST_ID]);
    request->traced = trace_parse(given[TRACEPARENT], request->trace_id);
    if (!request->traced)
        memcpy(request->trace_id, request->id, sizeof request->trace_id);
    request->method =
        given[REQUEST_METHOD] == NULL ? METHOD_UNKNOWN : method_parse(given[REQUEST_METHOD]);
    request->address = take_address(kept(arena, given[REMOTE_ADDR]));
    request->content_type = kept(arena, given[CONTENT_TYPE]);
    request->content_encoding = kept(arena, given[CONTENT_ENCODING]);
    request->authorization = kept(arena, given[AUTHORIZATION]);
    request->accept = kept(arena, given[ACCEPT]);
    request->if_match = kept(arena, given[IF_MATCH]);
    request->if_none_match = kept(arena, given[IF_NONE_MATCH]);
    request->idempotency_key = kept(arena, given[IDEMPOTENCY_KEY]);
    request->prefer = kept(arena, given[PREFER]);
    request->user_agent = take_text(kept(arena, given[USER_AGENT]));
    return take_target(request, arena, given[REQUEST_URI] == NULL ? "" : given[REQUEST_URI]);
}

/* --- query string --- */

static void take_parameter(const struct field *parameters, size_t count, const char *name,
    const char *text, size_t length, struct value *values, struct violations *violations)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(parameters[i].name, name) != 0)
            continue;
        if (values[i].given)
            violation_add(violations, NULL, name, "duplicate", "It may be given once only.");
        else
            field_read_parameter(&parameters[i], text, length, &values[i], violations);
        return;
    }
    violation_add(violations, NULL, name, "unknown_parameter", "There is no such parameter.");
}

void request_parameters(const struct request *request, const struct field *parameters, size_t count,
    struct value *values, struct violations *violations)
{
    struct arena *arena = violations->arena;
    const char *at = request->query;

    memset(values, 0, count * sizeof *values);
    for (int pairs = 0; at != NULL && *at != '\0'; pairs++) {
        size_t length = strcspn(at, "&");
        size_t name_length = MIN(strcspn(at, "="), length), decoded_name, decoded;
        size_t skip = name_length < length ? 1 : 0;
        char *name = percent_decode(arena, at, name_length, true, &decoded_name);
        char *text = percent_decode(
            arena, at + name_length + skip, length - name_length - skip, true, &decoded);

        if (pairs >= PARAMETERS_MAX) {
            violation_add(violations, NULL, NULL, "too_many", "There are too many parameters.");
            return;
        }
        if (name == NULL || text == NULL || decoded_name != strlen(name) ||
            utf8_length(name, decoded_name) < 0 || utf8_length(text, decoded) < 0)
            violation_add(violations, NULL, NULL, "invalid_characters",
                "The query string is not percent-encoded UTF-8.");
        else if (length > 0)
            take_parameter(parameters, count, name, text, decoded, values, violations);
        at += length;
        at += *at == '&' ? 1 : 0;
    }
}

/* --- media types --- */

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \t");
}

bool media_type_is(const char *content_type, const char *wanted)
{
    size_t length = strlen(wanted);
    const char *at;

    if (content_type == NULL || strncasecmp(content_type, wanted, length) != 0)
        return false;
    at = skip_spaces(content_type + length);
    if (*at == '\0')
        return true;
    if (*at != ';')
        return false;
    at = skip_spaces(at + 1);
    /* JSON has no parameters (RFC 8259 section 11); the one that everybody sends is let pass. */
    return *at == '\0' || strcasecmp(at, "charset=utf-8") == 0 ||
           strcasecmp(at, "charset=\"utf-8\"") == 0;
}

/* How exactly a media range names the type: 3 itself, 2 its group, 1 everything, 0 not at all. */
static int specificity(const char *range, size_t length, const char *type)
{
    size_t group = strcspn(type, "/") + 1;

    if (length == strlen(type) && strncasecmp(range, type, length) == 0)
        return 3;
    if (length == group + 1 && strncasecmp(range, type, group) == 0 && range[group] == '*')
        return 2;
    return length == 3 && strncmp(range, "*/*", 3) == 0 ? 1 : 0;
}

/* q=0.5 as 500, wherever among the parameters it stands; 1000 without one. */
static int quality(const char *parameters, size_t length)
{
    const char *end = parameters + length;

    for (const char *at = parameters; at < end; at++) {
        int value, scale = 100;

        if (*at != ';')
            continue;
        at = skip_spaces(at + 1);
        if ((*at != 'q' && *at != 'Q') || at[1] != '=')
            continue;
        value = at[2] == '1' ? 1000 : 0;
        if (at[2] == '\0' || at[3] != '.')
            return value;
        for (at += 4; scale > 0 && *at >= '0' && *at <= '9'; at++, scale /= 10)
            value += (*at - '0') * scale;
        return MIN(value, 1000);
    }
    return 1000;
}

int accept_quality(const char *accept, const char *media_type)
{
    int best = 0, result = 0;

    if (accept == NULL)
        return 1000;
    while (*accept != '\0') {
        const char *range = accept + strspn(accept, " \t,");
        size_t length = strcspn(range, ","), name = MIN(strcspn(range, "; \t"), length);
        int match = specificity(range, name, media_type);

        if (match > best) {
            best = match;
            result = quality(range + name, length - name);
        }
        accept = range + length;
    }
    return result;
}
