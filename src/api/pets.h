/*
 * pets.h: the resource of pets: its fields, and the handlers that routes.c names.
 */
#ifndef API_PETS_H
#define API_PETS_H

#include "http/exchange.h"

extern const char *const pets_species[], *const pets_sexes[]; /* end with NULL */

/* In the order of the columns of the pet statements. */
enum { pets_fields_count = 14, pets_list_parameters_count = 13, pets_history_parameters_count = 2 };
extern const struct field pets_fields[pets_fields_count];
extern const struct field pets_list_parameters[pets_list_parameters_count];
extern const struct field pets_history_parameters[pets_history_parameters_count];

handler pets_list, pets_listed; /* pets_list.c */
handler pets_create, pets_created;
handler pets_create_batch, pets_batch_created;
handler pets_check_batch;
handler pets_get, pets_got;
handler pets_change, pets_changed; /* PUT and PATCH */
handler pets_delete, pets_deleted;
handler pets_restore; /* answered by pets_got */
handler pets_history, pets_history_listed;

#endif
