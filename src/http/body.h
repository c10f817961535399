/*
 * body.h: the body of a request, held against the fields of its route.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/exchange.h"

/*
 * Fills `exchange->values`, or `items` when the body is a list. ERR_VALIDATION_FAILED when fields
 * are not as they should be: `exchange->violations` has all of it.
 */
enum err body_check(struct exchange *exchange);

#endif
