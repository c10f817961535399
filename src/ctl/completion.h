/*
 * completion.h: the script by which bash completes the command line of petsctl.
 */
#ifndef CTL_COMPLETION_H
#define CTL_COMPLETION_H

#include "ctl/ctl.h"

/* Prints it on standard output. */
enum ctl_exit completion_print(void);

#endif
