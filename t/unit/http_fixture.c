/*
 * http_fixture.c: a socket pair whose buffers are large enough for a whole request, so that one
 * thread can write it and then read it.
 */
#include "http_fixture.h"

#include <sys/socket.h>

#include "base/buf.h"

enum { ROOM = 4 << 20, PAIRS = 65535 };

static void must(bool good)
{
    if (!good)
        abort();
}

void peer_open(struct peer *peer)
{
    static bool begun;
    int fds[2];

    must(begun || fastcgi_init() == 0);
    begun = true;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    for (int i = 0; i < 2; i++)
        must(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &(int){ROOM}, sizeof(int)) == 0 ||
             setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &(int){ROOM}, sizeof(int)) == 0);
    peer->fd = fds[0];
    peer->fastcgi = fastcgi_new(fds[1]);
    peer->arena = arena_new(4096);
}

void peer_close(struct peer *peer)
{
    fastcgi_free(peer->fastcgi);
    arena_free(peer->arena);
    close(peer->fd);
}

void peer_raw(const struct peer *peer, const void *bytes, size_t length)
{
    must(length == 0 ||
         send(peer->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length);
}

void peer_record(const struct peer *peer, int type, const void *bytes, size_t length)
{
    const uint8_t header[8] = {
        1, (uint8_t)type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length, 0, 0};

    peer_raw(peer, header, sizeof header);
    if (length > 0)
        peer_raw(peer, bytes, length);
}

void peer_end(const struct peer *peer)
{
    shutdown(peer->fd, SHUT_WR);
}

static size_t put_length(uint8_t *at, size_t length)
{
    if (length < 128) {
        at[0] = (uint8_t)length;
        return 1;
    }
    at[0] = (uint8_t)(length >> 24 | 0x80);
    at[1] = (uint8_t)(length >> 16);
    at[2] = (uint8_t)(length >> 8);
    at[3] = (uint8_t)length;
    return 4;
}

static size_t put_pair(uint8_t *at, const char *name, const char *value)
{
    size_t head = put_length(at, strlen(name));

    head += put_length(at + head, strlen(value));
    memcpy(at + head, name, strlen(name));
    memcpy(at + head + strlen(name), value, strlen(value));
    return head + strlen(name) + strlen(value);
}

static void put_stream(const struct peer *peer, int type, const uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += PAIRS)
        peer_record(peer, type, bytes + at, MIN(length - at, PAIRS));
    peer_record(peer, type, NULL, 0);
}

void peer_request(
    const struct peer *peer, const char *const *params, const void *body, size_t length)
{
    static const uint8_t begin[8] = {0, 1, 1};
    size_t size = 0, used = 0;
    uint8_t *pairs;

    for (size_t i = 0; params[i] != NULL; i++)
        size += strlen(params[i]) + 8;
    pairs = malloc(size + 1);
    must(pairs != NULL);
    for (size_t i = 0; params[i] != NULL; i += 2)
        used += put_pair(pairs + used, params[i], params[i + 1]);
    peer_record(peer, RECORD_BEGIN, begin, sizeof begin);
    put_stream(peer, RECORD_PARAMS, pairs, used);
    put_stream(peer, RECORD_STDIN, body, length);
    free(pairs);
}

enum fastcgi_read peer_read(const struct peer *peer, size_t max, struct fastcgi_body *body)
{
    return fastcgi_read(peer->fastcgi, peer->arena, max, body, 60000);
}

const char *peer_answer(const struct peer *peer, size_t *length)
{
    uint8_t header[8];
    struct buf answer;

    buf_init(&answer, peer->arena, 1024);
    while (recv(peer->fd, header, sizeof header, MSG_DONTWAIT) == (ssize_t)sizeof header) {
        size_t size = (size_t)header[4] << 8 | header[5], padded = size + header[6];
        char *bytes = malloc(padded + 1);

        must(bytes != NULL);
        must(padded == 0 || recv(peer->fd, bytes, padded, MSG_DONTWAIT) == (ssize_t)padded);
        if (header[1] == RECORD_STDOUT)
            buf_put(&answer, bytes, size);
        free(bytes);
    }
    *length = answer.length;
    return answer.data;
}
