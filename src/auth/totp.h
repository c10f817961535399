/*
 * totp.h: one-time codes by time (RFC 6238) as every authenticator app makes them: HMAC-SHA-1, six
 * digits, a step of 30 seconds. A step before and a step after are good too, for clocks that differ
 * and for slow fingers. A code is good once: the caller keeps the step that was accepted last and
 * stores the new one only if it is later, in the database, where of two requests at the same time
 * one wins.
 */
#ifndef AUTH_TOTP_H
#define AUTH_TOTP_H

#include "base/buf.h"

enum {
    TOTP_DIGITS = 6,
    TOTP_STEP_S = 30,
    TOTP_DRIFT = 1,        /* steps, either way */
    TOTP_SECRET_SIZE = 20, /* 160 bits, as RFC 4226 recommends */
    TOTP_TEXT_LENGTH = 32, /* the secret in base32 */
};

enum totp_result {
    TOTP_GOOD,
    TOTP_WRONG, /* no code of these steps, or not six digits */
    TOTP_USED,  /* the code of a step that is not later than the last one */
};

/* A new secret. Aborts when the kernel has no randomness. */
void totp_secret(uint8_t secret[TOTP_SECRET_SIZE]);

/* The secret in base32 (RFC 4648), for those who type it. -1 when the library fails. */
int totp_text(const uint8_t secret[TOTP_SECRET_SIZE], char text[TOTP_TEXT_LENGTH + 1]);

/*
 * Adds the secret as an otpauth:// address (the Key URI format of authenticator apps), to be shown
 * as a QR code. Issuer and account are percent-encoded.
 */
void totp_uri(struct buf *out, const char *issuer, const char *account, const char *text);

/*
 * Checks a code at the time `now_s` (seconds since 1970). `*step` is the step it belongs to, for
 * TOTP_GOOD. Takes as long for each code of six digits, right or wrong.
 */
enum totp_result totp_check(const uint8_t secret[TOTP_SECRET_SIZE], const char *code, size_t length,
    int64_t now_s, int64_t last_step, int64_t *step);

#endif
