/*
 * user.h: the verbs about people.
 */
#ifndef CTL_USER_H
#define CTL_USER_H

#include "ctl/ctl.h"

enum ctl_exit user_add(struct ctl *ctl);

#endif
