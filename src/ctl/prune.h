/*
 * prune.h: what is over and was kept long enough is deleted.
 */
#ifndef CTL_PRUNE_H
#define CTL_PRUNE_H

#include "ctl/ctl.h"

enum ctl_exit prune_run(struct ctl *ctl);

#endif
