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

static bool is_any(const char *list)
{
    return strcmp(list, "*") == 0;
}

/*
 * The versions that a list names, up to `most`; weak tags count only where they may. A tag has two
 * quotes at least.
 */
static void bind_versions(struct query *query, const char *list, size_t most, bool weak_too)
{
    int32_t *versions = arena_alloc(query->arena, (strlen(list) / 2 + 1) * sizeof *versions);
    size_t count = 0;
    int32_t version;
    bool weak;

    while (count < most && next_tag(&list, &version, &weak))
        if (version > 0 && (!weak || weak_too))
            versions[count++] = version;
    query_int4_array(query, versions, count);
}

void precondition_bind(struct query *query, const char *if_match, const char *if_none_match)
{
    bool nothing = if_none_match != NULL && is_any(if_none_match);

    if (nothing)
        query_int4_array(query, NULL, 0);
    else if (if_match == NULL || is_any(if_match))
        query_null(query);
    else
        bind_versions(query, if_match, ENTITY_TAGS_MAX, false);
    if (nothing || if_none_match == NULL)
        query_null(query);
    else
        bind_versions(query, if_none_match, SIZE_MAX, true);
}

bool precondition_matches(const char *if_match, int32_t version)
{
    int32_t tag;
    bool weak;

    if (if_match == NULL || is_any(if_match))
        return true;
    while (next_tag(&if_match, &tag, &weak))
        if (tag == version && !weak)
            return true;
    return false;
}

bool precondition_unchanged(const char *if_none_match, int32_t version)
{
    int32_t tag;
    bool weak;

    if (if_none_match == NULL)
        return false;
    if (is_any(if_none_match))
        return true;
    while (next_tag(&if_none_match, &tag, &weak))
        if (tag == version)
            return true;
    return false;
}
