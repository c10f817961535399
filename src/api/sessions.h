/*
 * sessions.h: logging in and out, and the keys that tokens are verified with.
 */
#ifndef API_SESSIONS_H
#define API_SESSIONS_H

#include "http/exchange.h"

enum { sessions_login_fields_count = 2 };
extern const struct field sessions_login_fields[sessions_login_fields_count];

handler sessions_login, sessions_login_next;
handler sessions_logout, sessions_logged_out;
handler sessions_jwks;

#endif
