/*
 * email.c: one pass over each half. What passes here can stand in a mail header, a log line or an
 * SQL parameter without surprise; whether somebody reads mail there only a message can tell.
 */
#include "auth/email.h"

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Atoms of RFC 5321's atext, with single dots between them. */
static bool local_valid(const char *local, size_t length)
{
    if (length < 1 || length > 64 || local[0] == '.' || local[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (local[i] == '.'
                ? local[i - 1] == '.'
                : !alphanumeric(local[i]) &&
                      (local[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", local[i]) == NULL))
            return false;
    }
    return true;
}

static bool label_valid(const char *label, size_t length)
{
    if (length < 1 || length > 63 || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!alphanumeric(label[i]) && label[i] != '-')
            return false;
    return true;
}

static bool domain_valid(const char *domain, size_t length)
{
    const char *dot;
    size_t labels = 1;

    for (; (dot = memchr(domain, '.', length)) != NULL; labels++) {
        size_t label = (size_t)(dot - domain);

        if (!label_valid(domain, label))
            return false;
        domain += label + 1;
        length -= label + 1;
    }
    return labels >= 2 && label_valid(domain, length);
}

bool email_valid(const char *email, size_t length)
{
    const char *at = length > EMAIL_MAX ? NULL : memchr(email, '@', length);
    size_t local;

    if (at == NULL)
        return false;
    local = (size_t)(at - email);
    return local_valid(email, local) && domain_valid(at + 1, length - local - 1);
}
