/*
 * login.h: logging in.
 */
#ifndef API_LOGIN_H
#define API_LOGIN_H

#include "http/exchange.h"

enum { login_fields_count = 2 };
extern const struct field login_fields[login_fields_count];

handler login_ask, login_next;

#endif
