/*
 * user.h: the verbs about people.
 */
#ifndef CTL_USER_H
#define CTL_USER_H

#include "ctl/ctl.h"

enum ctl_exit user_add(struct ctl *ctl);
enum ctl_exit user_list(struct ctl *ctl);
enum ctl_exit user_show(struct ctl *ctl);
enum ctl_exit user_role(struct ctl *ctl);
enum ctl_exit user_disable(struct ctl *ctl);
enum ctl_exit user_enable(struct ctl *ctl);
enum ctl_exit user_revoke(struct ctl *ctl);

#endif
