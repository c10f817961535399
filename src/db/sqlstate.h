/*
 * sqlstate.h: the one place where an error of PostgreSQL becomes an error of the API.
 */
#ifndef DB_SQLSTATE_H
#define DB_SQLSTATE_H

#include "base/err.h"

/* `sqlstate` has five characters; `constraint` may be NULL. ERR_INTERNAL: unexpected. */
enum err sqlstate_err(const char *sqlstate, const char *constraint);

#endif
