/*
 * totp.c: the fence of liboath. Its own validation compares with strcmp, stops at the first match
 * and knows nothing of codes that were used, so it is asked for the code of each step alone; the
 * choice is made here, by arithmetic instead of branches, so that time tells nothing.
 */
/* Before base.h: the headers of the libraries use names that it poisons. */
#include <oath.h>
#include <openssl/crypto.h>

#include "auth/totp.h"

#include <sys/random.h>

void totp_secret(uint8_t secret[TOTP_SECRET_SIZE])
{
    if (getrandom(secret, TOTP_SECRET_SIZE, 0) != TOTP_SECRET_SIZE)
        abort();
}

int totp_text(const uint8_t secret[TOTP_SECRET_SIZE], char text[TOTP_TEXT_LENGTH + 1])
{
    size_t length = 0;
    char *made = NULL;
    int result = -1;

    if (oath_base32_encode((const char *)secret, TOTP_SECRET_SIZE, &made, &length) != OATH_OK)
        return -1;
    if (length == TOTP_TEXT_LENGTH) {
        memcpy(text, made, TOTP_TEXT_LENGTH + 1);
        result = 0;
    }
    explicit_bzero(made, length);
    free(made);
    return result;
}

/* RFC 3986: everything but the unreserved characters. */
static void put_encoded(struct buf *out, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(unreserved, *text) != NULL)
            buf_putc(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(uint8_t)*text);
    }
}

void totp_uri(struct buf *out, const char *issuer, const char *account, const char *text)
{
    buf_puts(out, "otpauth://totp/");
    put_encoded(out, issuer);
    buf_putc(out, ':');
    put_encoded(out, account);
    buf_printf(out, "?secret=%s&issuer=", text);
    put_encoded(out, issuer);
    buf_printf(out, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS, TOTP_STEP_S);
}

static bool well_formed(const char *code, size_t length)
{
    if (length != TOTP_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++)
        if (code[i] < '0' || code[i] > '9')
            return false;
    return true;
}

/* 1 when `code` is that of the step, else 0. */
static int64_t matches(const uint8_t secret[TOTP_SECRET_SIZE], int64_t step, const char *code)
{
    char made[TOTP_DIGITS + 1] = "";
    int64_t matched;

    if (oath_hotp_generate((const char *)secret, TOTP_SECRET_SIZE, (uint64_t)step, TOTP_DIGITS,
            false, OATH_HOTP_DYNAMIC_TRUNCATION, made) != OATH_OK)
        return 0;
    matched = CRYPTO_memcmp(made, code, TOTP_DIGITS) == 0;
    explicit_bzero(made, sizeof made);
    return matched;
}

enum totp_result totp_check(const uint8_t secret[TOTP_SECRET_SIZE], const char *code, size_t length,
    int64_t now_s, int64_t last_step, int64_t *step)
{
    int64_t now = now_s / TOTP_STEP_S;
    int64_t found = -1;

    if (!well_formed(code, length))
        return TOTP_WRONG;
    /* Two steps have the same code once in a million times: then the later one counts. */
    for (int64_t at = MAX(now - TOTP_DRIFT, 0); at <= now + TOTP_DRIFT; at++)
        found += (at - found) * matches(secret, at, code);
    *step = found;
    if (found < 0)
        return TOTP_WRONG;
    return found > last_step ? TOTP_GOOD : TOTP_USED;
}
