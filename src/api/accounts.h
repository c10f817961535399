/*
 * accounts.h: accounts: registration, and who am I.
 */
#ifndef API_ACCOUNTS_H
#define API_ACCOUNTS_H

#include "http/exchange.h"

enum { accounts_register_fields_count = 3 };
extern const struct field accounts_register_fields[accounts_register_fields_count];

handler accounts_register, accounts_registered;
handler accounts_me, accounts_me_got;

#endif
