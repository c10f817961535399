/*
 * status_html.h: the look at a pool for people: one page without script or anything from elsewhere.
 * It is well-formed XML too, so that a test can take it apart.
 */
#ifndef API_STATUS_HTML_H
#define API_STATUS_HTML_H

#include "api/status.h"

void status_html(const struct status *status, struct exchange *exchange);

/* --- its parts, each in a file --- */

/* The CSS, without anything that XML would want escaped. */
extern const char status_style[];

/* The word and the colour of each stage. */
struct status_shade {
    const char *name, *colour;
};
extern const struct status_shade status_stages[STAGE_COUNT];

/* A tile for each worker. */
void status_tiles(struct buf *out, const struct status *status);

/* Routes and counters. */
void status_tables(struct buf *out, const struct status *status);

#endif
