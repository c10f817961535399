/*
 * sessions.h: sessions after the login: refreshing, looking at them, ending them; and the keys that
 * access tokens are verified with.
 */
#ifndef API_SESSIONS_H
#define API_SESSIONS_H

#include "http/exchange.h"

enum {
    sessions_refresh_fields_count = 1,
    sessions_logout_fields_count = 1,
    sessions_parameters_count = 2
};
extern const struct field sessions_refresh_fields[sessions_refresh_fields_count];
extern const struct field sessions_logout_fields[sessions_logout_fields_count];
extern const struct field sessions_parameters[sessions_parameters_count];

handler sessions_refresh, sessions_refreshed;
handler sessions_list, sessions_listed;
handler sessions_end, sessions_ended;
handler sessions_logout, sessions_logged_out;
handler sessions_jwks;

#endif
