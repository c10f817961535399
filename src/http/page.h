/*
 * page.h: lists, page by page: keyset paging with an opaque cursor. A route that lists has the
 * parameters PAGE_PARAMETERS first; its statement is asked for one row more than the page holds,
 * which tells whether there is a next page.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "http/exchange.h"

enum { PAGE_LIMIT, PAGE_CURSOR, PAGE_OWN }; /* a route's own parameters begin at PAGE_OWN */
enum { PAGE_LIMIT_DEFAULT = 20, PAGE_LIMIT_MAX = 100 };

#define PAGE_PARAMETERS                                                                            \
    [PAGE_LIMIT] = {"limit", FIELD_INTEGER, 0, 1, PAGE_LIMIT_MAX}, [PAGE_CURSOR] = {"cursor",      \
                                                                       FIELD_CURSOR, 0, 1, 64}

/* How many rows the page holds. */
int32_t page_limit(const struct exchange *exchange);

/* The cursor, when it is that of a list by id; false: it is none. NULL in `*before`: none given. */
bool page_before(const struct exchange *exchange, struct uuid *id, const struct uuid **before);

/* Whether there is a next page: then its cursor is that of row page_limit() - 1. */
bool page_more(const struct exchange *exchange);

/* Fills the reply with the rows and, unless `next` is NULL, where the next page begins: in the body
 * and as a Link header (RFC 8288). */
void page_reply(
    struct exchange *exchange, const struct field *fields, size_t count, const char *next);

/* The same for a list by id, which is its first column. */
void page_reply_by_id(struct exchange *exchange, const struct field *fields, size_t count);

#endif
