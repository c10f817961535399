/*
 * account.h: the account that an operator names on the command line, by its id or by its e-mail
 * address.
 */
#ifndef CTL_ACCOUNT_H
#define CTL_ACCOUNT_H

#include "ctl/ctl.h"

struct account {
    struct uuid id;
    const struct query *found; /* one row of the statement account_find */
};

/* Connects, and looks it up. CTL_DONE, or has complained. */
enum ctl_exit account_find(struct ctl *ctl, const char *who, struct account *account);

#endif
