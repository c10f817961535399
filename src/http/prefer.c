/*
 * prefer.c: a list of preferences, each a token with perhaps a value and parameters; values may be
 * quoted, and then hold commas.
 */
#include "http/prefer.h"

#include "base/base.h"

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* The end of a token or of a string in quotes. */
static const char *end_of_word(const char *at)
{
    if (*at != '"')
        return at + strcspn(at, "=;,\" \t");
    for (at++; *at != '\0' && *at != '"'; at++)
        at += *at == '\\' && at[1] != '\0' ? 1 : 0;
    return *at == '"' ? at + 1 : at;
}

static bool is(const char *word, const char *end, const char *wanted)
{
    size_t length = strlen(wanted);

    if (*word == '"' && end - word >= 2) {
        word++;
        end--;
    }
    return (size_t)(end - word) == length && strncasecmp(word, wanted, length) == 0;
}

static enum prefer value_of(const char *at)
{
    const char *end;

    if (*at != '=')
        return PREFER_NOTHING;
    at = skip_blanks(at + 1);
    end = end_of_word(at);
    if (is(at, end, "minimal"))
        return PREFER_MINIMAL;
    return is(at, end, "representation") ? PREFER_REPRESENTATION : PREFER_NOTHING;
}

/* The beginning of the next preference, or the end. */
static const char *next(const char *at)
{
    while (*at != '\0' && *at != ',')
        at = *at == '"' ? end_of_word(at) : at + 1;
    return at + strspn(at, ", \t");
}

enum prefer prefer_return(const char *header)
{
    if (header == NULL)
        return PREFER_NOTHING;
    for (const char *at = header + strspn(header, ", \t"); *at != '\0'; at = next(at)) {
        const char *end = end_of_word(at);

        if (*at != '"' && is(at, end, "return"))
            return value_of(skip_blanks(end));
    }
    return PREFER_NOTHING;
}
