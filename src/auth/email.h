/*
 * email.h: which e-mail addresses are accepted: the part of RFC 5321 that people have.
 */
#ifndef AUTH_EMAIL_H
#define AUTH_EMAIL_H

#include "base/base.h"

enum { EMAIL_MAX = 254 };

/*
 * local@domain, ASCII: a dot-atom of at most 64 characters, then a domain of at least two LDH
 * labels. No quotes, comments, address literals or white space.
 */
bool email_valid(const char *email, size_t length);

#endif
