/*
 * ops.h: what operators and their tools ask a pool, on a socket of its own: is it alive, is it
 * ready, what is it doing (a page for people, text, JSON), and its metrics (Prometheus text
 * format).
 */
#ifndef API_OPS_H
#define API_OPS_H

#include "http/exchange.h"

enum { ops_status_parameters_count = 2 };
extern const struct field ops_status_parameters[ops_status_parameters_count];

handler ops_live;
handler ops_ready, ops_ready_known;
handler ops_status;
handler ops_metrics;

#endif
