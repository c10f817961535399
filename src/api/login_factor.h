/*
 * login_factor.h: the second step of a login, for accounts with a second factor.
 */
#ifndef API_LOGIN_FACTOR_H
#define API_LOGIN_FACTOR_H

#include "http/exchange.h"

enum { login_factor_fields_count = 3 };
extern const struct field login_factor_fields[login_factor_fields_count];

handler login_factor_ask, login_factor_next;

#endif
