/*
 * sendmail.h: the local sendmail program (mail.sendmail_path), as every mail server on Unix brings
 * one along: run without a shell, as `sendmail -i -f SENDER -- RECIPIENT`, with the message as its
 * standard input and an environment of its own.
 */
#ifndef MAIL_SENDMAIL_H
#define MAIL_SENDMAIL_H

#include "base/config.h"
#include "mail/delivery.h"

/* See mailer_deliver. The program is killed, with all it has started, after mail.timeout_s. */
enum delivery sendmail_deliver(const struct config *config, const char *to, const char *bytes,
    size_t length, char *error, size_t size);

#endif
