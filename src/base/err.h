/*
 * err.h: every error that a client can be told, in one table (RFC 9457 problem details are rendered
 * from it, the documentation and the metrics use its codes). Request code returns `enum err`;
 * ERR_NONE is success.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_NONE,
    ERR_BAD_REQUEST,
    ERR_INVALID_JSON,
    ERR_INVALID_PARAMETER,
    ERR_INVALID_CURSOR,
    ERR_INVALID_IDEMPOTENCY_KEY,
    ERR_TOKEN_MISSING,
    ERR_TOKEN_INVALID,
    ERR_TOKEN_EXPIRED,
    ERR_SESSION_ENDED,
    ERR_INVALID_CREDENTIALS,
    ERR_INVALID_CODE,
    ERR_MFA_TOKEN_INVALID,
    ERR_STEP_UP_REQUIRED,
    ERR_FORBIDDEN,
    ERR_MFA_REQUIRED,
    ERR_INSUFFICIENT_SCOPE,
    ERR_NOT_FOUND,
    ERR_METHOD_NOT_ALLOWED,
    ERR_NOT_ACCEPTABLE,
    ERR_EMAIL_TAKEN,
    ERR_MICROCHIP_TAKEN,
    ERR_TOO_MANY_KEYS,
    ERR_REQUEST_IN_FLIGHT,
    ERR_TRANSFER_OPEN,
    ERR_TRANSFER_ENDED,
    ERR_TOO_MANY_TRANSFERS,
    ERR_LAST_ADMIN,
    ERR_SECOND_FACTOR_ENROLLED,
    ERR_LINK_INVALID,
    ERR_PRECONDITION_FAILED,
    ERR_PAYLOAD_TOO_LARGE,
    ERR_URI_TOO_LONG,
    ERR_UNSUPPORTED_MEDIA_TYPE,
    ERR_VALIDATION_FAILED,
    ERR_IDEMPOTENCY_KEY_REUSED,
    ERR_RATE_LIMITED,
    ERR_INTERNAL,
    ERR_NOT_IMPLEMENTED,
    ERR_UNAVAILABLE,
    ERR_DATABASE_UNAVAILABLE,
    ERR_OVERLOADED,
    ERR_OUTCOME_UNKNOWN,
    ERR_SHUTTING_DOWN,
    ERR_TIMED_OUT,
    ERR_COUNT,
    ERR_ANSWERED = ERR_COUNT /* no client is told: the answer of the first time is stored */
};

struct err_info {
    const char *code;   /* machine-readable, stable: "validation_failed" */
    int status;         /* HTTP status */
    const char *title;  /* one short sentence, the same for every occurrence */
    const char *detail; /* what the client can do, when the handler says nothing better */
    int retry_after;    /* seconds for Retry-After; 0: no such header */
};

/* The row of an error; never NULL for a valid one. */
const struct err_info *err_info(enum err err);

#endif
