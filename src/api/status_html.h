/*
 * status_html.h: the look at a pool for people: one page without script or anything from elsewhere.
 * It is well-formed XML too, so that a test can take it apart.
 */
#ifndef API_STATUS_HTML_H
#define API_STATUS_HTML_H

#include "api/status.h"

void status_html(const struct status *status, struct exchange *exchange);

#endif
