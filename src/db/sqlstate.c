/*
 * sqlstate.c: codes of PostgreSQL (its appendix A) and of the schema (PE...). Rows are tried in
 * order; a prefix of two characters stands for its whole class.
 */
#include "db/sqlstate.h"
#include "base/base.h"

static const struct {
    const char *sqlstate;
    const char *constraint; /* NULL: any */
    enum err err;
} map[] = {
    {"PE001", NULL, ERR_SESSION_ENDED}, {"PE003", NULL, ERR_FORBIDDEN},
    {"PE004", NULL, ERR_MFA_REQUIRED}, {"PE005", NULL, ERR_STEP_UP_REQUIRED},
    {"PE007", NULL, ERR_TOKEN_INVALID}, {"PE008", NULL, ERR_INSUFFICIENT_SCOPE},
    {"PE009", NULL, ERR_REQUEST_IN_FLIGHT}, {"PE013", NULL, ERR_MICROCHIP_TAKEN},
    {"PE010", NULL, ERR_IDEMPOTENCY_KEY_REUSED}, {"PE011", NULL, ERR_ANSWERED},
    {"23505", "idempotency_key_pkey", ERR_REQUEST_IN_FLIGHT}, {"PE006", NULL, ERR_LAST_ADMIN},
    {"23505", "account_email_key", ERR_EMAIL_TAKEN},
    {"23505", "pet_microchip_key", ERR_MICROCHIP_TAKEN},
    {"57014", NULL, ERR_TIMED_OUT},            /* statement_timeout */
    {"55P03", NULL, ERR_OVERLOADED},           /* lock_timeout */
    {"40", NULL, ERR_OVERLOADED},              /* deadlock, serialization: nothing was changed */
    {"53", NULL, ERR_DATABASE_UNAVAILABLE},    /* out of connections, memory, disk */
    {"57", NULL, ERR_DATABASE_UNAVAILABLE},    /* shut down, starting up */
    {"08", NULL, ERR_DATABASE_UNAVAILABLE},    /* connection */
    {"25006", NULL, ERR_DATABASE_UNAVAILABLE}, /* read-only: a standby */
};

enum err sqlstate_err(const char *sqlstate, const char *constraint)
{
    for (size_t i = 0; i < countof(map); i++) {
        if (strncmp(sqlstate, map[i].sqlstate, strlen(map[i].sqlstate)) != 0)
            continue;
        if (map[i].constraint == NULL ||
            (constraint != NULL && strcmp(constraint, map[i].constraint) == 0))
            return map[i].err;
    }
    return ERR_INTERNAL;
}
