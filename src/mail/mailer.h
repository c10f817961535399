/*
 * mailer.h: hands messages over, to a relay (mail.relay) or, when none is configured, to the local
 * sendmail program. It says what became of each in the one way that the outbox understands.
 */
#ifndef MAIL_MAILER_H
#define MAIL_MAILER_H

#include "base/config.h"
#include "mail/delivery.h"

struct mailer;

/* Borrows the configuration. NULL with one line for people in `error`. Caller frees. */
struct mailer *mailer_new(const struct config *config, char *error, size_t size);
void mailer_free(struct mailer *mailer);

/*
 * One message (message_write) to one address. Takes mail.timeout_s at most. Unless it was taken,
 * `error` says why in one line, which never holds the address or a word of the message.
 */
enum delivery mailer_deliver(struct mailer *mailer, const char *to, const char *bytes,
    size_t length, char *error, size_t size);

#endif
