/*
 * terminal.h: asking for a password: from the terminal without echo, or a line of standard input;
 * never from the command line, which everybody on the machine can read.
 */
#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

#include "auth/password.h"

struct terminal_password {
    size_t length;
    char bytes[PASSWORD_MAX + 1]; /* one more, to see that it is too long */
};

/*
 * From the terminal, twice, or a line of standard input when that is none. -1 with errno; EINVAL:
 * the two are not the same. Caller wipes.
 */
int terminal_password(struct terminal_password *password);

#endif
