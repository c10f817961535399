/*
 * message.h: a message as it goes over the wire (RFC 5322, MIME): seven-bit ASCII whatever its
 * text, lines of at most 76 characters that end with CR LF. Nothing that is put into it can add a
 * header or end the text: what could is refused or encoded.
 */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include "base/buf.h"

/* All borrowed. */
struct message {
    const char *from;      /* an address (email_valid) */
    const char *from_name; /* UTF-8, one line; "": none */
    const char *to;        /* an address */
    const char *id;        /* of this message among all: a UUID, the same at each attempt */
    int64_t date_s;        /* seconds since 1970 */
    const char *subject;   /* UTF-8, one line */
    const char *text;      /* UTF-8; its lines end with \n */
};

/*
 * Appends it. -1, and nothing appended, when an address, the id or a line is not what it should be.
 */
int message_write(const struct message *message, struct buf *out);

#endif
