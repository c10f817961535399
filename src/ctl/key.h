/*
 * key.h: the verbs about the keys that sign access tokens.
 */
#ifndef CTL_KEY_H
#define CTL_KEY_H

#include "ctl/ctl.h"

enum ctl_exit key_new(struct ctl *ctl);

#endif
