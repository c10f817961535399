/*
 * accounts.h: accounts: registration, the link that completes it, and who am I.
 */
#ifndef API_ACCOUNTS_H
#define API_ACCOUNTS_H

#include "http/exchange.h"

enum { accounts_register_fields_count = 3 };
extern const struct field accounts_register_fields[accounts_register_fields_count];

enum { accounts_verify_fields_count = 1 };
extern const struct field accounts_verify_fields[accounts_verify_fields_count];

handler accounts_register_check, accounts_register, accounts_registered;
handler accounts_verify, accounts_verified;
handler accounts_me, accounts_me_got;

#endif
