/*
 * resets.h: another password for whoever has forgotten the old one, by a link: one that is mailed
 * to the account's address on request, or that an administrator has made and hands over.
 */
#ifndef API_RESETS_H
#define API_RESETS_H

#include "http/exchange.h"

enum { resets_request_fields_count = 1, resets_confirm_fields_count = 3 };
extern const struct field resets_request_fields[resets_request_fields_count];
extern const struct field resets_confirm_fields[resets_confirm_fields_count];

handler resets_request, resets_requested;
handler resets_confirm, resets_confirm_next;

#endif
