/*
 * opsock.c: one FastCGI request on a connection of its own, as section 3.3 of the specification has
 * it: the request in four records, and then the answer, of which only standard output matters. What
 * comes back is taken for what it is, something from another process: bounded in time and size.
 */
#include "ctl/opsock.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/buf.h"

enum {
    BEGIN_REQUEST = 1,
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    HEADER_SIZE = 8,
    ANSWER_MAX = 4 * 1024 * 1024
};

/* --- the request --- */

static void put_record(struct buf *out, int type, const char *content, size_t length)
{
    const char header[HEADER_SIZE] = {
        1, (char)type, 0, 1, (char)(length >> 8), (char)(length & 0xff), 0, 0};

    buf_put(out, header, sizeof header);
    buf_put(out, content, length);
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    buf_putc(out, (char)strlen(name));
    buf_putc(out, (char)strlen(value));
    buf_puts(out, name);
    buf_puts(out, value);
}

static void put_request(struct buf *out, const char *uri, struct arena *arena)
{
    static const char responder[8] = {0, 1};
    struct buf params;

    buf_init(&params, arena, 256);
    put_pair(&params, "REQUEST_METHOD", "GET");
    put_pair(&params, "REQUEST_URI", uri);
    put_pair(&params, "REMOTE_ADDR", "127.0.0.1");
    put_record(out, BEGIN_REQUEST, responder, sizeof responder);
    put_record(out, PARAMS, params.data, params.length);
    put_record(out, PARAMS, "", 0);
    put_record(out, STDIN, "", 0);
}

/* --- the conversation --- */

static int open_socket(const char *path)
{
    struct timeval limit = {.tv_sec = OPSOCK_WAIT_MS / 1000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd == -1)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Exactly so many bytes. -1 with errno: ECONNRESET at an early end. */
static int take(int fd, char *bytes, size_t length, int64_t deadline_us)
{
    while (length > 0) {
        ssize_t got = recv(fd, bytes, length, 0);

        if (got == 0)
            errno = ECONNRESET;
        if (got <= 0)
            return -1;
        bytes += got;
        length -= (size_t)got;
        if (base_now_us() > deadline_us) {
            errno = EAGAIN;
            return -1;
        }
    }
    return 0;
}

/* Collects standard output until the request has ended. */
static int take_answer(int fd, struct buf *answer)
{
    int64_t deadline_us = base_now_us() + OPSOCK_WAIT_MS * 1000;
    char bytes[UINT16_MAX + UINT8_MAX];
    unsigned char header[HEADER_SIZE];

    do {
        size_t length;

        if (take(fd, (char *)header, sizeof header, deadline_us) == -1)
            return -1;
        errno = EPROTO;
        if (header[0] != 1)
            return -1;
        length = (size_t)header[4] << 8 | header[5];
        if (take(fd, bytes, length + header[6], deadline_us) == -1)
            return -1;
        if (header[1] == STDOUT)
            buf_put(answer, bytes, length);
        errno = EMSGSIZE;
        if (answer->length > ANSWER_MAX)
            return -1;
    } while (header[1] != END_REQUEST);
    return 0;
}

static int converse(const char *path, const struct buf *request, struct buf *answer)
{
    int fd = open_socket(path);
    int result = -1;
    int saved;

    if (fd == -1)
        return -1;
    if (send(fd, request->data, request->length, MSG_NOSIGNAL) == (ssize_t)request->length)
        result = take_answer(fd, answer);
    saved = errno;
    close(fd);
    errno = saved;
    return result;
}

const char *opsock_get(const char *path, const char *uri, struct arena *arena, size_t *length,
    char *error, size_t size)
{
    struct buf request, answer;
    const char *body, *status;

    buf_init(&request, arena, 512);
    buf_init(&answer, arena, 65536);
    put_request(&request, uri, arena);
    if (converse(path, &request, &answer) == -1) {
        snprintf(error, size, "%s: %s", path, errno == EAGAIN ? "no answer" : strerror(errno));
        return NULL;
    }
    body = strstr(answer.data, "\r\n\r\n");
    status = strstr(answer.data, "Status: ");
    if (body == NULL || (status != NULL && status < body && strncmp(status + 8, "200", 3) != 0)) {
        snprintf(error, size, "%s: answers %.3s", path, status == NULL ? "" : status + 8);
        return NULL;
    }
    body += 4;
    *length = answer.length - (size_t)(body - answer.data);
    return body;
}
