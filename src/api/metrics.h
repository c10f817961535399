/*
 * metrics.h: the look at a pool for Prometheus, in its text format 0.0.4. Every name begins with
 * pets_; a series exists from the start, with 0, so that the first failure is an increase and not a
 * birth.
 */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/status.h"

void metrics_render(const struct status *status, struct exchange *exchange);

#endif
