/*
 * fuzz_request.c: what a FastCGI peer may send, through libfcgi to a request and its answer. The
 * first byte chooses: even, the rest are the bytes of the connection; odd, it is "NAME value"
 * lines, an empty line and the body of one well-formed request. Whatever is read can be shown: in
 * JSON, in headers, in the log.
 */
#include "http_fixture.h"

#include <jansson.h>

#include "http/reply.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

enum { BODY_MAX = 1000, INPUT_MAX = 1 << 16, PARAMS_MAX = 64 };

static void must(bool good)
{
    if (!good)
        abort();
}

/*
 * What is known to end a process inside libfcgi 2.4, and not looked for here: many questions in one
 * GET_VALUES record, and parameters whose two lengths do not fit in an int together.
 */
static bool kills_libfcgi(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] > 0x80)
            return true;
    return memmem(data, size, "\1\x09", 2) != NULL;
}

static void write_lines(const struct peer *peer, char *text, size_t size)
{
    const char *params[2 * PARAMS_MAX + 1];
    size_t count = 0;
    char *end = text + size;

    while (count < 2 * PARAMS_MAX && text < end && *text != '\n') {
        char *line = memchr(text, '\n', (size_t)(end - text));
        char *value;

        line = line == NULL ? end : line;
        *line = '\0';
        value = strchr(text, ' ');
        if (value != NULL) {
            *value = '\0';
            params[count++] = text;
            params[count++] = value + 1;
        }
        text = line + 1;
    }
    params[count] = NULL;
    text += text < end ? 1 : 0;
    peer_request(peer, params, text, text < end ? (size_t)(end - text) : 0);
}

static void check_answer(struct reply *reply)
{
    json_t *json = json_loadb(reply->body.data, reply->body.length, JSON_REJECT_DUPLICATES, NULL);
    struct buf head;

    must(json != NULL);
    json_decref(json);
    buf_init(&head, reply->body.arena, 512);
    reply_head(reply, &head);
    must(strncmp(head.data, "Status: ", 8) == 0);
    for (size_t i = 0; i < head.length; i++)
        must(head.data[i] == '\r' || head.data[i] == '\n' ||
             (head.data[i] >= 0x20 && head.data[i] < 0x7f));
}

static void check_request(const struct peer *peer, const struct fastcgi_body *body)
{
    struct violations violations = {.arena = peer->arena};
    struct request request = {0};
    struct value value;
    struct reply reply;
    enum err err = request_read(&request, peer->fastcgi, peer->arena);
    size_t length;

    must(err == ERR_NONE || err == ERR_NOT_FOUND);
    must(strspn(request.id, "0123456789abcdef") == REQUEST_ID_SIZE - 1);
    must(utf8_length(request.path, strlen(request.path)) >= 0);
    for (const char *at = request.target; *at != '\0'; at++)
        must(*at > 0x20 && *at < 0x7f && *at != '"' && *at != '<' && *at != '>');
    must(body->bytes == NULL || (body->length <= BODY_MAX && body->bytes[body->length] == '\0'));
    accept_quality(request.accept, "application/json");
    media_type_is(request.content_type, "application/json");
    request_parameters(&request, NULL, 0, &value, &violations);
    reply_init(&reply, peer->arena);
    reply_problem(&reply, &request, ERR_INVALID_PARAMETER, NULL, &violations);
    check_answer(&reply);
    fastcgi_answer(
        peer->fastcgi, "Status: 200\r\n\r\n", 15, reply.body.data, reply.body.length, 60000);
    if (peer_answer(peer, &length)[0] != '\0')
        must(length == 15 + reply.body.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fastcgi_body body = {0};
    struct peer peer;

    if (size < 1 || size > INPUT_MAX || (data[0] % 2 == 0 && kills_libfcgi(data + 1, size - 1)))
        return 0;
    peer_open(&peer);
    if (data[0] % 2 == 0) {
        peer_raw(&peer, data + 1, size - 1);
    } else {
        char *text = arena_copy(peer.arena, data + 1, size - 1);

        write_lines(&peer, text, size - 1);
    }
    peer_end(&peer);
    if (peer_read(&peer, BODY_MAX, &body) == FASTCGI_REQUEST)
        check_request(&peer, &body);
    peer_close(&peer);
    return 0;
}

/* libfcgi 2.4 itself loses some bytes when a GET_VALUES record is cut; no web server sends one. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfcgi.so\n";
}
