/*
 * second_factor.h: one's own second factor: enrolling, confirming, removing it, and its recovery
 * codes.
 */
#ifndef API_SECOND_FACTOR_H
#define API_SECOND_FACTOR_H

#include "http/exchange.h"

enum { second_factor_fields_count = 1 };
extern const struct field second_factor_fields[second_factor_fields_count];

handler second_factor_get, second_factor_got;
handler second_factor_enrol, second_factor_enrolled;
handler second_factor_confirm, second_factor_confirm_next;
handler second_factor_remove, second_factor_removed;
handler second_factor_renew_codes, second_factor_codes_renewed;

#endif
