/*
 * key.c: the keys that sign access tokens.
 */
#include "ctl/key.h"

#include "auth/generate.h"

enum ctl_exit key_new(struct ctl *ctl)
{
    char kid[KEY_ID_LENGTH + 1];
    char error[512];

    if (generate_key(ctl->arguments[0], kid, error, sizeof error) == -1)
        return ctl_fail("%s", error);
    puts(kid);
    return CTL_DONE;
}
