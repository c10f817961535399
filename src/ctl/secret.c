/*
 * secret.c: peppers and server keys: both are one line of randomness in a file of its own. The
 * first ones are made before there is a database; later ones are recorded when it is known where.
 * Such a line may also be a password of the database, which is told what follows from it.
 */
#include "ctl/secret.h"

#include "auth/generate.h"
#include "auth/scram.h"
#include "base/secret.h"

#include <sys/random.h>

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

enum ctl_exit secret_scram(struct ctl *ctl)
{
    uint8_t salt[SCRAM_SALT_SIZE];
    char verifier[SCRAM_VERIFIER_SIZE], error[512];
    char *password = secret_read_line(ctl->arguments[0], error, sizeof error);
    int result;

    if (password == NULL)
        return ctl_fail("%s", error);
    if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        result = -1;
    else
        result = scram_verifier(password, strlen(password), salt, verifier);
    secret_free(password, strlen(password));
    if (result != 0)
        return ctl_fail("%s: this needs a password of printable ASCII", ctl->arguments[0]);
    puts(verifier);
    return CTL_DONE;
}
