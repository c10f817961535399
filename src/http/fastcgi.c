/*
 * fastcgi.c: the fence of libfcgi 2.4, and the places where it is kept from doing harm: it never
 * accepts (its listening socket is -1), never lingers on close (detached), and never reads without
 * a bound (the guard). A request is always read to its very end, or its rest would be taken for the
 * next one.
 */
#include "http/fastcgi.h"

#include <fastcgi.h>
#include <fcgiapp.h>
#include <sys/socket.h>

#include "pool/worker.h"

struct fastcgi {
    FCGX_Request request;
};

int fastcgi_init(void)
{
    return FCGX_Init() == 0 ? 0 : -1;
}

struct fastcgi *fastcgi_new(int fd)
{
    struct fastcgi *fastcgi = malloc(sizeof *fastcgi);

    if (fastcgi == NULL)
        base_out_of_memory();
    FCGX_InitRequest(&fastcgi->request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
    fastcgi->request.ipcFd = fd;
    /* FCGX_Accept_r finishes "the request before" first: it shall not close the connection then. */
    fastcgi->request.keepConnection = 1;
    /* "Detached" makes the library close the descriptor plainly, without waiting for the peer. */
    FCGX_Detach(&fastcgi->request);
    return fastcgi;
}

void fastcgi_free(struct fastcgi *fastcgi)
{
    if (fastcgi == NULL)
        return;
    FCGX_Free(&fastcgi->request, fastcgi->request.ipcFd >= 0);
    free(fastcgi);
}

static void read_body(
    FCGX_Stream *in, struct arena *arena, size_t announced, size_t max, struct fastcgi_body *body)
{
    char *bytes = arena_alloc(arena, MIN(announced, max) + 2);
    char dropped[4096];
    size_t room = MIN(announced, max) + 1;
    int got = FCGX_GetStr(bytes, (int)room, in);

    body->length = (size_t)MAX(got, 0);
    body->bytes = bytes;
    bytes[body->length] = '\0';
    while (body->length >= room && (got = FCGX_GetStr(dropped, sizeof dropped, in)) > 0)
        body->length += (size_t)got;
    if (body->length > max)
        body->bytes = NULL;
}

/* CONTENT_LENGTH; SIZE_MAX when it is not a number. */
static size_t announced_length(FCGX_ParamArray params)
{
    const char *text = FCGX_GetParam("CONTENT_LENGTH", params);
    char *end;
    unsigned long long length;

    if (text == NULL || text[0] == '\0')
        return 0;
    errno = 0;
    length = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9')
        return SIZE_MAX;
    return (size_t)length;
}

enum fastcgi_read fastcgi_read(struct fastcgi *fastcgi, struct arena *arena, size_t max,
    struct fastcgi_body *body, int limit_ms)
{
    FCGX_Request *request = &fastcgi->request;
    size_t announced = 0;
    bool whole;

    guard_enter(request->ipcFd, limit_ms);
    whole = FCGX_Accept_r(request) == 0;
    if (whole) {
        announced = announced_length(request->envp);
        read_body(request->in, arena, announced, max, body);
        whole = FCGX_GetError(request->in) == 0 && request->role == FCGI_RESPONDER;
    }
    if (guard_leave())
        return FASTCGI_LATE;
    /* A body that is shorter than announced was cut on its way. */
    if (!whole || announced != body->length)
        return FASTCGI_BROKEN;
    return FASTCGI_REQUEST;
}

void fastcgi_params(const struct fastcgi *fastcgi, const struct fastcgi_name *names,
    const char **values, size_t count)
{
    memset(values, 0, count * sizeof *values);
    for (char **at = fastcgi->request.envp; at != NULL && *at != NULL; at++) {
        const char *equals = strchr(*at, '=');
        size_t length = equals == NULL ? 0 : (size_t)(equals - *at);

        for (size_t i = 0; i < count; i++)
            if (names[i].length == length && values[i] == NULL &&
                memcmp(*at, names[i].text, length) == 0)
                values[i] = equals + 1;
    }
}

bool fastcgi_answer(struct fastcgi *fastcgi, const char *head, size_t head_length, const char *body,
    size_t body_length, int limit_ms)
{
    FCGX_Request *request = &fastcgi->request;

    guard_enter(request->ipcFd, limit_ms);
    FCGX_PutStr(head, (int)head_length, request->out);
    if (body_length > 0)
        FCGX_PutStr(body, (int)body_length, request->out);
    FCGX_Finish_r(request);
    if (guard_leave())
        return false;
    return request->ipcFd >= 0;
}
