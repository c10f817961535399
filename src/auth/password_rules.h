/*
 * password_rules.h: what a new password must be, for whoever takes one: registration, password
 * change, reset, petsctl. Long enough and not guessable, nothing else: no kinds of characters that
 * must be in it, no normalisation, no expiry (NIST SP 800-63B). Of passwords that are merely
 * checked, at login, nothing is demanded but that they are not longer than PASSWORD_MAX.
 *
 * - `too_short`, `too_long`: at least `minimum` characters, at most PASSWORD_MAX bytes.
 * - `common_password`: in the list password.common_list_file, in any case of ASCII letters; or two
 *   of its entries in a row; or, over and over again, fewer than 8 characters or what the two rules
 *   before refuse ("passwordpassword", "123412341234123").
 * - `breached_password`: its SHA-1 is in password.breached_list_file.
 * - `contains_identity`: the e-mail address, its part before the @ or the person's name is in it,
 *   in any case, if they have 4 characters or more.
 */
#ifndef AUTH_PASSWORD_RULES_H
#define AUTH_PASSWORD_RULES_H

#include "auth/password.h"
#include "base/config.h"
#include "http/field.h"

/*
 * The row of a new password in a table of fields: it must be a string, and the rules say the rest,
 * each violation once.
 */
#define PASSWORD_NEW_FIELD(name)                                                                   \
    {                                                                                              \
        name, FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 0, INT32_MAX                        \
    }

struct password_rules;

/* Opens the lists. NULL with one line for people in `error`. Caller frees. */
struct password_rules *password_rules_new(const struct config *config, char *error, size_t size);
void password_rules_free(struct password_rules *rules);

/* Whose password it is to be; what is not known is empty. */
struct password_owner {
    struct text email;
    struct text name;
};

/*
 * Adds a violation at `pointer` for each rule that the password (valid UTF-8) breaks.
 * ERR_VALIDATION_FAILED when it did; ERR_UNAVAILABLE, logged, when a list cannot be used any more:
 * no password is taken unchecked. `minimum` is PASSWORD_MIN, or PASSWORD_MIN_MFA for an account
 * with a second factor.
 */
enum err password_rules_check(const struct password_rules *rules, const struct text *password,
    int minimum, const struct password_owner *owner, const char *pointer,
    struct violations *violations);

#endif
