/*
 * api_keys.h: one's own API keys: making, looking at and revoking them.
 */
#ifndef API_API_KEYS_H
#define API_API_KEYS_H

#include "http/exchange.h"

enum { api_keys_fields_count = 3, api_keys_parameters_count = 2 };
extern const struct field api_keys_fields[api_keys_fields_count];
extern const struct field api_keys_parameters[api_keys_parameters_count];

handler api_keys_list, api_keys_listed;
handler api_keys_create, api_keys_created;
handler api_keys_revoke, api_keys_revoked;

#endif
