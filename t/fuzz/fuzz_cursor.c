/*
 * fuzz_cursor.c: the small languages of headers and query strings. No text is a cursor that was not
 * sealed as one; what is inside of one is what would be put there for its position; Accept has a
 * quality within its bounds, entity tags give versions only; none reads behind its end.
 */
#include "auth/bookmark.h"
#include "http/cursor.h"
#include "http/precondition.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_cursors(struct arena *arena, const char *text, size_t length)
{
    static const struct server_key key = {{1, 2, 3}, "12345678"};
    static struct bookmark *bookmark;
    const struct text cursor = {text, length}, context = {text, MIN(length, 7)};
    struct text position, again, rest;
    struct uuid uuid;
    int32_t version;

    if (bookmark == NULL)
        bookmark = bookmark_new(&key, &key);
    must(!bookmark_open(bookmark, arena, &context, &cursor, &position));
    again.bytes = bookmark_make(bookmark, arena, &context, &cursor);
    must((again.bytes == NULL) == (length == 0));
    if (again.bytes != NULL) {
        again.length = strlen(again.bytes);
        must(bookmark_open(bookmark, arena, &context, &again, &position));
        must(position.length == length && memcmp(position.bytes, text, length) == 0);
    }
    if (cursor_key(&cursor, &uuid, &rest)) {
        again = cursor_of_key(arena, &uuid, &rest);
        must(again.length == length && memcmp(again.bytes, text, length) == 0);
    }
    if (cursor_version(&cursor, &version)) {
        again = cursor_of_version(arena, version);
        must(version > 0 && again.length == length && memcmp(again.bytes, text, length) == 0);
    }
}

/* What is bound of If-Match or of If-None-Match is what the comparison of a reader says. */
static void check_tags(struct arena *arena, const char *text, bool none)
{
    struct query query;
    const uint8_t *value;
    int which = none ? 3 : 2;

    query_init(&query, arena, STATEMENT_PET_DELETE);
    query_null(&query);
    query_null(&query);
    precondition_bind(&query, none ? NULL : text, none ? text : NULL);
    value = (const uint8_t *)query.values[which];
    if (value == NULL) {
        must(strcmp(text, "*") == 0);
        return;
    }
    for (int at = 20; at < query.lengths[which]; at += 8) {
        int32_t version =
            value[at + 4] << 24 | value[at + 5] << 16 | value[at + 6] << 8 | value[at + 7];

        /* A strong tag matches weakly too. */
        must(version > 0 && precondition_unchanged(text, version));
        must(none || precondition_matches(text, version));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    char *text = malloc(size + 1);
    int quality;

    memcpy(text, data, size);
    text[size] = '\0';
    check_cursors(arena, text, size);
    check_tags(arena, text, false);
    check_tags(arena, text, true);
    quality = accept_quality(text, "application/json");
    must(quality >= 0 && quality <= 1000);
    if (media_type_is(text, "application/json"))
        must(strncasecmp(text, "application/json", 16) == 0);
    free(text);
    arena_free(arena);
    return 0;
}
