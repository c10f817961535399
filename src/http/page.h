/*
 * page.h: lists, page by page: keyset paging with an opaque cursor. A route that lists has the
 * parameters PAGE_PARAMETERS first; its statement is asked for one row more than the page holds,
 * which tells whether there is a next page. A cursor is good for whoever got it, for the same list,
 * and with the same parameters, but for its limit and those that are FIELD_VIEW.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "http/exchange.h"

enum { PAGE_LIMIT, PAGE_CURSOR, PAGE_OWN }; /* a route's own parameters begin at PAGE_OWN */
enum { PAGE_LIMIT_DEFAULT = 20, PAGE_LIMIT_MAX = 100, PAGE_CURSOR_MAX = 512 };

#define PAGE_PARAMETERS                                                                            \
    [PAGE_LIMIT] = {"limit", FIELD_INTEGER, 0, 1, PAGE_LIMIT_MAX}, [PAGE_CURSOR] = {"cursor",      \
                                                                       FIELD_CURSOR, 0, 1,         \
                                                                       PAGE_CURSOR_MAX}

/* How many rows the page holds. */
int32_t page_limit(const struct exchange *exchange);

/* Where the page before ended (see cursor.h); its bytes are NULL when no cursor was given. False:
 * the cursor is not one of these. */
bool page_position(struct exchange *exchange, struct text *position);

/* The same for a list by id. NULL in `*before`: none given. */
bool page_before(struct exchange *exchange, struct uuid *id, const struct uuid **before);

/* Whether there is a next page: then it begins behind row page_limit() - 1. */
bool page_more(const struct exchange *exchange);

/* Opens the list of items; render them, then page_end. */
void page_begin(struct exchange *exchange);

/*
 * Closes the list and says where the next page begins: in the body and as a Link header (RFC 8288).
 * `last` is where this page ends, NULL when it is the last one; `count` is how many there are about
 * in all, or NULL.
 */
enum err page_end(struct exchange *exchange, const struct text *last, const int64_t *count);

/* Fills the reply with the rows. `last` as above. */
enum err page_reply(
    struct exchange *exchange, const struct field *fields, size_t count, const struct text *last);

/* The same for a list by id, which is its first column. */
enum err page_reply_by_id(struct exchange *exchange, const struct field *fields, size_t count);

#endif
