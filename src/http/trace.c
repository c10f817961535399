/*
 * trace.c: 00-TRACE-PARENT-FLAGS, all in lower case. Of a later version as much is read as is known
 * today.
 */
#include "http/trace.h"

/* Takes `count` hexadecimal digits that are not all zero, unless they may be; NULL: they are not
 * there. */
static const char *digits(const char *at, size_t count, bool zero)
{
    if (strspn(at, "0123456789abcdef") != count || (!zero && strspn(at, "0") == count))
        return NULL;
    return at + count;
}

static const char *dash(const char *at)
{
    return at != NULL && *at == '-' ? at + 1 : NULL;
}

bool trace_parse(const char *traceparent, char trace_id[TRACE_ID_SIZE])
{
    const char *trace, *at;

    if (traceparent == NULL || strncmp(traceparent, "ff", 2) == 0)
        return false;
    trace = dash(digits(traceparent, 2, true));
    at = trace == NULL ? NULL : dash(digits(trace, TRACE_ID_SIZE - 1, false));
    at = at == NULL ? NULL : dash(digits(at, 16, false));
    at = at == NULL ? NULL : digits(at, 2, true);
    if (at == NULL || (*at != '\0' && (*at != '-' || strncmp(traceparent, "00", 2) == 0)))
        return false;
    memcpy(trace_id, trace, TRACE_ID_SIZE - 1);
    trace_id[TRACE_ID_SIZE - 1] = '\0';
    return true;
}
