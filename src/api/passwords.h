/*
 * passwords.h: changing one's own password.
 */
#ifndef API_PASSWORDS_H
#define API_PASSWORDS_H

#include "http/exchange.h"

enum { passwords_fields_count = 3 };
extern const struct field passwords_fields[passwords_fields_count];

handler passwords_change, passwords_change_next;

#endif
