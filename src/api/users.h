/*
 * users.h: people, for administrators.
 */
#ifndef API_USERS_H
#define API_USERS_H

#include "http/exchange.h"

enum { users_fields_count = 4, users_revoke_fields_count = 1, users_parameters_count = 5 };
extern const struct field users_fields[users_fields_count];
extern const struct field users_revoke_fields[users_revoke_fields_count];
extern const struct field users_parameters[users_parameters_count];

handler users_list, users_listed;
handler users_get, users_got;
handler users_change, users_changed;
handler users_revoke, users_revoked;
handler users_reset_link, users_reset_link_made;

#endif
