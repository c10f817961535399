/*
 * transfers.h: pets that change their owner: an offer, and what becomes of it.
 */
#ifndef API_TRANSFERS_H
#define API_TRANSFERS_H

#include "http/exchange.h"

enum { transfers_fields_count = 2, transfers_parameters_count = 3 };
extern const struct field transfers_fields[transfers_fields_count];
extern const struct field transfers_parameters[transfers_parameters_count];

handler transfers_check; /* exactly one of the fields */
handler transfers_offer, transfers_offered;
handler transfers_list, transfers_listed;
handler transfers_get, transfers_got;
handler transfers_accept, transfers_decline, transfers_withdraw;
handler transfers_ended; /* one of these three was asked for */

#endif
