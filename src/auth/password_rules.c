/*
 * password_rules.c: the rules in the order in which they are told. Since only long passwords can be
 * chosen, an exact list of common ones would catch little: the long ones that are common are
 * mostly short ones written twice, or one after the other. So those are taken apart first. Names
 * are compared as code points in lower case, by the C library's tables for all of Unicode;
 * composed and decomposed forms are different, as they are in the password.
 */
/* Before base.h: OpenSSL's headers use names that it poisons. */
#include <openssl/evp.h>

#include "auth/password_rules.h"

#include "auth/blocklist.h"
#include "base/log.h"
#include "http/utf8.h"

#include <locale.h>
#include <wctype.h>

enum {
    UNIT_MIN = 8,  /* characters; fewer, repeated, are refused whatever they are */
    OWNER_MIN = 4, /* characters of an address or name; fewer are in many a good password */
    SHA1_SIZE = 20,
};

struct password_rules {
    struct blocklist *common;
    struct blocklist *breached; /* NULL: none is configured */
    locale_t unicode;
};

struct password_rules *password_rules_new(const struct config *config, char *error, size_t size)
{
    const char *common = config->password.common_list_file;
    const char *breached = config->password.breached_list_file;
    struct password_rules *rules = calloc(1, sizeof *rules);

    if (rules == NULL)
        base_out_of_memory();
    if (common[0] == '\0')
        common = PKGDATADIR "/common-passwords";
    rules->unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (rules->unicode == (locale_t)0) {
        snprintf(error, size, "the locale C.UTF-8: %s", strerror(errno));
        goto err;
    }
    rules->common = blocklist_open(common, BLOCKLIST_TEXT, error, size);
    if (rules->common == NULL)
        goto err;
    if (breached[0] == '\0')
        return rules;
    rules->breached = blocklist_open(breached, BLOCKLIST_SHA1, error, size);
    if (rules->breached != NULL)
        return rules;
err:
    password_rules_free(rules);
    return NULL;
}

void password_rules_free(struct password_rules *rules)
{
    if (rules == NULL)
        return;
    blocklist_free(rules->common);
    blocklist_free(rules->breached);
    if (rules->unicode != (locale_t)0)
        freelocale(rules->unicode);
    free(rules);
}

/* --- common passwords --- */

/* The length of what the text repeats, its last repetition perhaps cut short; else its own. */
static size_t period(const char *text, size_t length)
{
    for (size_t unit = 1; unit <= length / 2; unit++)
        if (memcmp(text, text + unit, length - unit) == 0)
            return unit;
    return length;
}

/* Whether it is two entries in a row. */
static enum blocklist_answer find_two(struct blocklist *list, const char *text, size_t length)
{
    for (size_t first = 1; first < length; first++) {
        enum blocklist_answer answer = blocklist_find(list, text, first);

        if (answer == BLOCKLIST_PRESENT)
            answer = blocklist_find(list, text + first, length - first);
        if (answer != BLOCKLIST_ABSENT)
            return answer;
    }
    return BLOCKLIST_ABSENT;
}

static enum blocklist_answer find_common(
    const struct password_rules *rules, const struct text *password)
{
    char lower[PASSWORD_MAX];
    enum blocklist_answer answer;
    size_t length;

    for (size_t i = 0; i < password->length; i++) {
        char c = password->bytes[i];

        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    length = period(lower, password->length);
    if (length < password->length && utf8_length(lower, length) < UNIT_MIN)
        answer = BLOCKLIST_PRESENT;
    else
        answer = blocklist_find(rules->common, lower, length);
    if (answer == BLOCKLIST_ABSENT)
        answer = find_two(rules->common, lower, length);
    explicit_bzero(lower, sizeof lower);
    return answer;
}

/* --- breached passwords --- */

static enum blocklist_answer find_breached(
    const struct password_rules *rules, const struct text *password)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * SHA1_SIZE + 1];
    enum blocklist_answer answer = BLOCKLIST_UNUSABLE;

    if (rules->breached == NULL)
        return BLOCKLIST_ABSENT;
    if (EVP_Digest(password->bytes, password->length, digest, NULL, EVP_sha1(), NULL) == 1) {
        for (size_t i = 0; i < SHA1_SIZE; i++)
            snprintf(hex + 2 * i, 3, "%02X", digest[i]);
        answer = blocklist_find(rules->breached, hex, 2 * SHA1_SIZE);
    }
    explicit_bzero(digest, sizeof digest);
    explicit_bzero(hex, sizeof hex);
    return answer;
}

/* --- the owner's names --- */

struct folded {
    size_t count;
    wint_t points[PASSWORD_MAX];
};

/* Code points in lower case; what is longer than any password is cut. */
static void fold(
    const struct password_rules *rules, const char *text, size_t length, struct folded *folded)
{
    size_t at = 0;

    folded->count = 0;
    while (at < length && folded->count < PASSWORD_MAX) {
        int32_t point = utf8_next(text, length, &at);

        if (point < 0)
            break;
        folded->points[folded->count++] = towlower_l((wint_t)point, rules->unicode);
    }
}

static bool contains(const struct password_rules *rules, const struct folded *password,
    const char *text, size_t length)
{
    struct folded word;

    fold(rules, text, length, &word);
    if (word.count < OWNER_MIN)
        return false;
    for (size_t at = 0; at + word.count <= password->count; at++)
        if (memcmp(password->points + at, word.points, word.count * sizeof word.points[0]) == 0)
            return true;
    return false;
}

static bool contains_owner(const struct password_rules *rules, const struct text *password,
    const struct password_owner *owner)
{
    const struct text *email = &owner->email;
    const char *at = email->length == 0 ? NULL : memchr(email->bytes, '@', email->length);
    size_t local = at == NULL ? email->length : (size_t)(at - email->bytes);
    struct folded folded;
    bool found;

    fold(rules, password->bytes, password->length, &folded);
    /* Whatever contains the address contains its part before the @, too, if that counts. */
    found = contains(rules, &folded, email->bytes, local) ||
            contains(rules, &folded, email->bytes, email->length) ||
            contains(rules, &folded, owner->name.bytes, owner->name.length);
    explicit_bzero(&folded, sizeof folded);
    return found;
}

/* --- all of them --- */

static enum err unusable(const char *which)
{
    log_event(LEVEL_ERROR, "password_list_unusable", log_str("list", which));
    return ERR_UNAVAILABLE;
}

static enum err check_lists(const struct password_rules *rules, const struct text *password,
    const char *pointer, struct violations *violations)
{
    enum blocklist_answer common = find_common(rules, password);
    enum blocklist_answer breached = find_breached(rules, password);

    if (common == BLOCKLIST_UNUSABLE)
        return unusable("common_list_file");
    if (breached == BLOCKLIST_UNUSABLE)
        return unusable("breached_list_file");
    if (common == BLOCKLIST_PRESENT)
        violation_add(violations, pointer, NULL, "common_password",
            "It is a common password, or made of common ones.");
    if (breached == BLOCKLIST_PRESENT)
        violation_add(violations, pointer, NULL, "breached_password",
            "It is known from a breach of some service.");
    return ERR_NONE;
}

enum err password_rules_check(const struct password_rules *rules, const struct text *password,
    int minimum, const struct password_owner *owner, const char *pointer,
    struct violations *violations)
{
    size_t before = violations->count;
    enum err err;

    if (password->length > PASSWORD_MAX) {
        violation_add(violations, pointer, NULL, "too_long",
            arena_format(violations->arena, "At most %d bytes are allowed.", PASSWORD_MAX));
        return ERR_VALIDATION_FAILED;
    }
    if (utf8_length(password->bytes, password->length) < minimum)
        violation_add(violations, pointer, NULL, "too_short",
            arena_format(violations->arena, "At least %d characters are needed.", minimum));
    err = check_lists(rules, password, pointer, violations);
    if (err != ERR_NONE)
        return err;
    if (contains_owner(rules, password, owner))
        violation_add(violations, pointer, NULL, "contains_identity",
            "It must not contain the e-mail address, its beginning, or the name.");
    return violations->count > before ? ERR_VALIDATION_FAILED : ERR_NONE;
}
