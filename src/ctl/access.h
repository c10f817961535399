/*
 * access.h: the verbs that help somebody who is locked out.
 */
#ifndef CTL_ACCESS_H
#define CTL_ACCESS_H

#include "ctl/ctl.h"

enum ctl_exit access_unlock(struct ctl *ctl);
enum ctl_exit access_reset_link(struct ctl *ctl);
enum ctl_exit access_reset_mfa(struct ctl *ctl);

#endif
