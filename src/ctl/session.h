/*
 * session.h: the verbs about sessions.
 */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "ctl/ctl.h"

enum ctl_exit session_list(struct ctl *ctl);
enum ctl_exit session_revoke(struct ctl *ctl);

#endif
