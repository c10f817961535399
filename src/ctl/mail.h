/*
 * mail.h: the verb that sends mail: one pass over the outbox, for a timer. Any number may run at
 * the same time, on any number of machines: a message is taken by one of them.
 */
#ifndef CTL_MAIL_H
#define CTL_MAIL_H

#include "ctl/ctl.h"

/* CTL_FAILED when a message is left that was due: the next pass tries again. */
enum ctl_exit mail_send(struct ctl *ctl);

#endif
