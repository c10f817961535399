/*
 * factor.c: the secret is in the open for as long as a code takes to be checked, and on the stack
 * only.
 */
#include "auth/factor.h"

int factor_make(const struct seal *seal, const struct uuid *account,
    uint8_t sealed[FACTOR_SEALED_SIZE], char text[TOTP_TEXT_LENGTH + 1])
{
    uint8_t secret[TOTP_SECRET_SIZE];
    int result;

    totp_secret(secret);
    result = totp_text(secret, text) == 0 ? seal_close(seal, account, secret, sizeof secret, sealed)
                                          : -1;
    explicit_bzero(secret, sizeof secret);
    return result;
}

static enum factor_result check_code(const uint8_t secret[TOTP_SECRET_SIZE],
    const struct factor *factor, const char *code, size_t length, int64_t now_s, int64_t *step)
{
    switch (totp_check(secret, code, length, now_s, factor->last_step, step)) {
    case TOTP_GOOD:
        return FACTOR_GOOD;
    case TOTP_USED:
        return FACTOR_USED;
    default:
        return FACTOR_WRONG;
    }
}

enum factor_result factor_check(const struct seal *seal, const struct factor *factor,
    const char *code, size_t length, int64_t now_s, struct factor_accepted *accepted)
{
    uint8_t secret[TOTP_SECRET_SIZE];
    const char *key_id = seal_key_id(seal);
    enum factor_result result;

    switch (seal_open(seal, factor->account, factor->key_id, factor->key_id_length, factor->sealed,
        factor->sealed_length, secret, sizeof secret)) {
    case SEAL_UNKNOWN_KEY:
        return FACTOR_UNKNOWN_KEY;
    case SEAL_BROKEN:
        return FACTOR_BROKEN;
    case SEAL_OPENED:
        break;
    }
    result = check_code(secret, factor, code, length, now_s, &accepted->step);
    /* If it cannot be sealed anew now, it stays as it is: the next use tries again. */
    accepted->resealed =
        result == FACTOR_GOOD &&
        (strlen(key_id) != factor->key_id_length ||
            memcmp(key_id, factor->key_id, factor->key_id_length) != 0) &&
        seal_close(seal, factor->account, secret, sizeof secret, accepted->sealed) == 0;
    explicit_bzero(secret, sizeof secret);
    return result;
}
