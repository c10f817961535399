/*
 * precondition.c: a list of entity tags, walked by one function for both headers.
 */
#include "http/precondition.h"

/*
 * Takes the next tag of a list: *version is its number, 0 when it cannot be one of ours. False at
 * the end.
 */
static bool next_tag(const char **list, int32_t *version, bool *weak)
{
    const char *at = *list + strspn(*list, " \t,");
    const char *end;
    long number = 0;

    if (*at == '\0')
        return false;
    *weak = strncmp(at, "W/", 2) == 0;
    at += *weak ? 2 : 0;
    end = *at == '"' ? strchr(at + 1, '"') : NULL;
    if (end != NULL) {
        size_t digits = strspn(at + 1, "0123456789");

        /* Our own form has no leading zeros. */
        if (at + 1 + digits == end && digits > 0 && digits <= 10 && at[1] != '0')
            number = strtol(at + 1, NULL, 10);
    }
    *version = number <= INT32_MAX ? (int32_t)number : 0;
    *list = end != NULL ? end + 1 : at + strcspn(at, ",");
    return true;
}

void precondition_bind(struct query *query, const char *if_match)
{
    int32_t versions[ENTITY_TAGS_MAX];
    size_t count = 0;
    int32_t version;
    bool weak;

    if (if_match == NULL || strcmp(if_match, "*") == 0) {
        query_null(query);
        return;
    }
    while (count < ENTITY_TAGS_MAX && next_tag(&if_match, &version, &weak))
        if (version > 0 && !weak)
            versions[count++] = version;
    query_int4_array(query, versions, count);
}

bool precondition_unchanged(const char *if_none_match, int32_t version)
{
    int32_t tag;
    bool weak;

    if (if_none_match == NULL)
        return false;
    if (strcmp(if_none_match, "*") == 0)
        return true;
    while (next_tag(&if_none_match, &tag, &weak))
        if (tag == version)
            return true;
    return false;
}
