/*
 * routes.h: the one table of everything that petsd offers. See http/route.h for what a row says.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "http/route.h"

extern const struct route_table routes;

/* The name of a row, "GET /v1/pets/{id}"; "-" when there is none. In static storage. */
const char *routes_name(unsigned index);

/*
 * Pool, method, path, access, the scope an API key needs or `-`, and `step-up`, `repeats` or `-` of
 * every row, tab-separated: what the tests walk.
 */
void routes_print(FILE *out);

/*
 * Every field that a route takes, as field_print does; before it stand method, path, and `query`,
 * or how the body is sent: `json`, `optional` or `merge`.
 */
void routes_print_fields(FILE *out);

#endif
