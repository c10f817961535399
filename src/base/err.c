/*
 * err.c: the table of errors. One row says code, status, title, what to do about it and when to
 * come back; docs/errors.md is checked against it.
 */
#include "base/err.h"
#include "base/base.h"

static const struct err_info errors[ERR_COUNT] = {
    [ERR_NONE] = {"none", 200, "No error", "", 0},
    [ERR_BAD_REQUEST] = {"bad_request", 400, "The request is malformed",
        "The request does not follow HTTP or is incomplete.", 0},
    [ERR_INVALID_JSON] = {"invalid_json", 400, "The body is not valid JSON",
        "The body must be one JSON object in UTF-8 with unique keys (RFC 7493).", 0},
    [ERR_INVALID_PARAMETER] = {"invalid_parameter", 400, "A query parameter is not valid",
        "See errors for each parameter.", 0},
    [ERR_INVALID_CURSOR] = {"invalid_cursor", 400, "The cursor is not valid",
        "Take the cursor from page.next of the previous answer, unchanged.", 0},
    [ERR_TOKEN_MISSING] = {"token_missing", 401, "An access token is required",
        "Send Authorization: Bearer with the access token of a login.", 0},
    [ERR_TOKEN_INVALID] = {"token_invalid", 401, "The access token is not valid",
        "Log in to get a new access token.", 0},
    [ERR_TOKEN_EXPIRED] = {"token_expired", 401, "The access token has expired",
        "Log in to get a new access token.", 0},
    [ERR_SESSION_ENDED] = {"session_ended", 401, "The session has ended",
        "The session was logged out, has expired, or its account is disabled.", 0},
    [ERR_INVALID_CREDENTIALS] = {"invalid_credentials", 401, "E-mail or password is wrong",
        "Check both and try again.", 0},
    [ERR_FORBIDDEN] = {"forbidden", 403, "This is not allowed", "Your role does not permit this.",
        0},
    [ERR_NOT_FOUND] = {"not_found", 404, "There is nothing here",
        "No such resource, or it is not yours.", 0},
    [ERR_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, "The method is not allowed here",
        "See the Allow header.", 0},
    [ERR_NOT_ACCEPTABLE] = {"not_acceptable", 406, "No acceptable representation",
        "This resource is offered in the media type application/json.", 0},
    [ERR_EMAIL_TAKEN] = {"email_taken", 409, "The e-mail address is taken",
        "An account with this e-mail address exists.", 0},
    [ERR_MICROCHIP_TAKEN] = {"microchip_taken", 409, "The microchip number is taken",
        "A pet with this microchip number exists.", 0},
    [ERR_PRECONDITION_FAILED] = {"precondition_failed", 412, "The resource has changed",
        "Read it again and repeat the change with its new ETag.", 0},
    [ERR_PAYLOAD_TOO_LARGE] = {"payload_too_large", 413, "The body is too large",
        "Send a smaller body.", 0},
    [ERR_URI_TOO_LONG] = {"uri_too_long", 414, "The address is too long", "Send a shorter address.",
        0},
    [ERR_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415,
        "The media type of the body is not supported", "See the Accept or Accept-Patch header.", 0},
    [ERR_VALIDATION_FAILED] = {"validation_failed", 422, "The body has invalid fields",
        "See errors for each field.", 0},
    [ERR_RATE_LIMITED] = {"rate_limited", 429, "Too many requests",
        "Wait as Retry-After says, then try again.", 1},
    [ERR_INTERNAL] = {"internal_error", 500, "Something went wrong here",
        "The operators can find the cause by trace_id.", 0},
    [ERR_NOT_IMPLEMENTED] = {"not_implemented", 501, "This is not supported", "", 0},
    [ERR_UNAVAILABLE] = {"unavailable", 503, "The service is not available",
        "Try again as Retry-After says.", 1},
    [ERR_DATABASE_UNAVAILABLE] = {"database_unavailable", 503, "The database is away",
        "Nothing was changed. Try again as Retry-After says.", 2},
    [ERR_OVERLOADED] = {"overloaded", 503, "The service is busy",
        "Nothing was changed. Try again as Retry-After says.", 1},
    [ERR_OUTCOME_UNKNOWN] = {"outcome_unknown", 503, "It is not known whether the change was made",
        "The database went away before it answered. Read the resource before trying again.", 2},
    [ERR_SHUTTING_DOWN] = {"shutting_down", 503, "The service is restarting",
        "Nothing was changed. Try again as Retry-After says.", 1},
    [ERR_TIMED_OUT] = {"timed_out", 504, "The request took too long",
        "Nothing was changed. Try again later.", 1},
};

const struct err_info *err_info(enum err err)
{
    return &errors[(unsigned)err < ERR_COUNT ? err : ERR_INTERNAL];
}
