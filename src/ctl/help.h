/*
 * help.h: what petsctl says of itself, on standard output.
 */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "ctl/ctl.h"

enum ctl_exit help_print(void);
enum ctl_exit help_version(void);

#endif
