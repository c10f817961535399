/*
 * secret.h: the verbs that make files of secrets.
 */
#ifndef CTL_SECRET_H
#define CTL_SECRET_H

#include "ctl/ctl.h"

enum ctl_exit secret_pepper_new(struct ctl *ctl);
enum ctl_exit secret_new(struct ctl *ctl);
enum ctl_exit secret_scram(struct ctl *ctl);

#endif
