/*
 * mailer.c: chooses between the two ways.
 */
#include "mail/mailer.h"
#include "base/base.h"
#include "auth/email.h"
#include "mail/sendmail.h"
#include "mail/smtp.h"

struct mailer {
    const struct config *config;
    struct smtp *smtp; /* NULL: sendmail */
};

struct mailer *mailer_new(const struct config *config, char *error, size_t size)
{
    struct mailer *mailer;
    struct smtp *smtp = NULL;

    if (!email_valid(config->mail.from, strlen(config->mail.from))) {
        snprintf(error, size, "mail.from: is not an e-mail address");
        return NULL;
    }
    if (config->mail.relay[0] != '\0') {
        smtp = smtp_new(config, error, size);
        if (smtp == NULL)
            return NULL;
    }
    mailer = calloc(1, sizeof *mailer);
    if (mailer == NULL)
        base_out_of_memory();
    mailer->config = config;
    mailer->smtp = smtp;
    return mailer;
}

void mailer_free(struct mailer *mailer)
{
    if (mailer == NULL)
        return;
    smtp_free(mailer->smtp);
    free(mailer);
}

enum delivery mailer_deliver(struct mailer *mailer, const char *to, const char *bytes,
    size_t length, char *error, size_t size)
{
    if (mailer->smtp != NULL)
        return smtp_deliver(mailer->smtp, to, bytes, length, error, size);
    return sendmail_deliver(mailer->config, to, bytes, length, error, size);
}
