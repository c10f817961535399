/*
 * key.h: the verbs about the keys that sign access tokens: new (published), activate, retire, list.
 */
#ifndef CTL_KEY_H
#define CTL_KEY_H

#include "ctl/ctl.h"

enum ctl_exit key_new(struct ctl *ctl);
enum ctl_exit key_list(struct ctl *ctl);
enum ctl_exit key_activate(struct ctl *ctl);
enum ctl_exit key_retire(struct ctl *ctl);

#endif
