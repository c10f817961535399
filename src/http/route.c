/*
 * route.c: matching. The table is small enough to be walked; a path is compared segment by segment.
 */
#include "http/route.h"

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

enum method method_parse(const char *text)
{
    for (size_t i = 0; i < countof(methods); i++)
        if (strcmp(text, methods[i]) == 0)
            return (enum method)i;
    return METHOD_UNKNOWN;
}

const char *method_name(enum method method)
{
    return (size_t)method < countof(methods) ? methods[method] : "OTHER";
}

/* Compares a path with a pattern and takes out the segment that stands for {id}. */
static bool matches(const char *pattern, const char *path, char *id, size_t size)
{
    id[0] = '\0';
    while (*pattern != '\0' && *path != '\0') {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t length = strcspn(path, "/");

        if (length == 0 || length >= size)
            return false;
        memcpy(id, path, length);
        id[length] = '\0';
        path += length;
        pattern += strcspn(pattern, "}") + 1;
    }
    return *pattern == '\0' && *path == '\0';
}

/* By hand, since this happens for every request. */
static void allow(char *list, const char *method)
{
    size_t length = strlen(list), more = strlen(method);

    if (length + 2 + more >= ROUTE_ALLOW_SIZE)
        return;
    if (length > 0) {
        memcpy(list + length, ", ", 2);
        length += 2;
    }
    memcpy(list + length, method, more + 1);
}

void route_find(const struct route_table *table, unsigned pools, enum method method,
    const char *path, struct route_match *match)
{
    enum method wanted = method == METHOD_HEAD ? METHOD_GET : method;
    char id[sizeof match->id];

    memset(match, 0, sizeof *match);
    for (size_t i = 0; i < table->count; i++) {
        const struct route *route = &table->routes[i];

        if ((route->pools & pools) == 0 || !matches(route->path, path, id, sizeof id))
            continue;
        memcpy(match->id, id, sizeof id);
        allow(match->allow, methods[route->method]);
        match->merges = match->merges || route->body == BODY_MERGE;
        if (route->method == METHOD_GET)
            allow(match->allow, "HEAD");
        if (route->method == wanted)
            match->route = route;
    }
    if (match->allow[0] != '\0')
        allow(match->allow, "OPTIONS");
}

const char *route_name(const struct route *route, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s %s", method_name(route->method), route->path);
    return buffer;
}
