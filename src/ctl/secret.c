/*
 * secret.c: peppers and server keys: both are one line of randomness in a file of its own. The
 * first ones are made before there is a database; later ones are recorded when it is known where.
 */
#include "ctl/secret.h"

#include "auth/generate.h"

static enum ctl_exit make(struct ctl *ctl, const char *type)
{
    const char *path = ctl->arguments[0];
    const char *slash = strrchr(path, '/');
    struct ctl_event event = {.action = "sensitive_create",
        .target_type = type,
        .outcome = "success",
        .subject = slash == NULL ? path : slash + 1};
    enum ctl_exit code = ctl->file == NULL ? CTL_DONE : ctl_connect_audit(ctl);
    char error[512];

    if (code != CTL_DONE)
        return code;
    if (generate_secret(path, error, sizeof error) == -1) {
        code = ctl_fail("%s", error);
        event.outcome = "failure";
    }
    if (ctl->file != NULL && ctl_audit(ctl, &event) != CTL_DONE)
        code = CTL_FAILED;
    return code;
}

enum ctl_exit secret_pepper_new(struct ctl *ctl)
{
    return make(ctl, "pepper");
}

enum ctl_exit secret_new(struct ctl *ctl)
{
    return make(ctl, "secret");
}
