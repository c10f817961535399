/*
 * secret.c: peppers and server keys: both are one line of randomness in a file of its own.
 */
#include "ctl/secret.h"

#include "auth/generate.h"

static enum ctl_exit make(const struct ctl *ctl)
{
    char error[512];

    if (generate_secret(ctl->arguments[0], error, sizeof error) == -1)
        return ctl_fail("%s", error);
    return CTL_DONE;
}

enum ctl_exit secret_pepper_new(struct ctl *ctl)
{
    return make(ctl);
}

enum ctl_exit secret_new(struct ctl *ctl)
{
    return make(ctl);
}
