/*
 * smtp.h: a relay that takes mail for others (mail.relay): smtp://HOST[:PORT], where STARTTLS is a
 * must, or smtps://HOST[:PORT]. The certificate is verified, and its name; before that nothing is
 * said but the greeting, and nothing ever goes over a plain connection. One connection serves all
 * messages of a pass.
 */
#ifndef MAIL_SMTP_H
#define MAIL_SMTP_H

#include "base/config.h"
#include "mail/delivery.h"

struct smtp;

/* Reads mail.relay_password_file. NULL with one line for people in `error`. Caller frees. */
struct smtp *smtp_new(const struct config *config, char *error, size_t size);
void smtp_free(struct smtp *smtp);

/* See mailer_deliver. */
enum delivery smtp_deliver(
    struct smtp *smtp, const char *to, const char *bytes, size_t length, char *error, size_t size);

#endif
