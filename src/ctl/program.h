/*
 * program.h: the verbs that are programs of their own, as most of what they do is to run other
 * programs: petsctl setup, petsctl restart.
 */
#ifndef CTL_PROGRAM_H
#define CTL_PROGRAM_H

#include "ctl/ctl.h"

/*
 * Becomes the program `name` of the installation, which gets these arguments (ended by NULL).
 * Returns only to complain.
 */
enum ctl_exit program_become(const char *name, char *const *arguments);

#endif
