/*
 * step_up.h: proving anew who one is, within a session (RFC 9470).
 */
#ifndef API_STEP_UP_H
#define API_STEP_UP_H

#include "http/exchange.h"

enum { step_up_fields_count = 3 };
extern const struct field step_up_fields[step_up_fields_count];

handler step_up_ask, step_up_next;

#endif
