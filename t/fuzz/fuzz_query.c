/*
 * fuzz_query.c: a query string against a table of parameters. What has no violation is within its
 * bounds, and percent-encoding every byte anew changes nothing.
 */
#include "http/request.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT, KIND, Q, OWNER, CURSOR, KINDS, COUNT };

static const char *const kinds[] = {"dog", "cat", NULL};
static const struct field parameters[COUNT] = {
    [LIMIT] = {"limit", FIELD_INTEGER, 0, 1, 100},
    [KIND] = {"species", FIELD_WORD, 0, .words = kinds},
    [Q] = {"q", FIELD_STRING, 0, 1, 8},
    [OWNER] = {"owner_id", FIELD_UUID},
    [CURSOR] = {"cursor", FIELD_CURSOR, 0, 1, 64},
    [KINDS] = {"kinds", FIELD_STRINGS, .items = 2, .words = kinds},
};

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_values(const struct value *values)
{
    if (values[LIMIT].given)
        must(values[LIMIT].number >= 1 && values[LIMIT].number <= 100);
    if (values[KIND].given)
        must(values[KIND].text.length == 3 && strlen(values[KIND].text.bytes) == 3);
    if (values[Q].given) {
        ptrdiff_t length = utf8_length(values[Q].text.bytes, values[Q].text.length);

        must(length >= 1 && length <= 8 && strlen(values[Q].text.bytes) == values[Q].text.length);
    }
    if (values[CURSOR].given)
        must(values[CURSOR].text.length <= 256);
    if (values[KINDS].given) {
        const struct text *texts = values[KINDS].texts;

        must(values[KINDS].count >= 1 && values[KINDS].count <= 2);
        for (size_t i = 0; i < values[KINDS].count; i++)
            must(texts[i].length == 3 &&
                 memcmp(texts[i].bytes, kinds[texts[i].bytes[0] == 'c'], 3) == 0);
        must(values[KINDS].count == 1 || texts[0].bytes[0] != texts[1].bytes[0]);
    }
}

static void check_codec(struct arena *arena, const char *text, size_t length)
{
    char *encoded = arena_alloc(arena, 3 * length + 1);
    size_t decoded_length, again_length;
    char *decoded = percent_decode(arena, text, length, true, &decoded_length);
    char *again;

    if (decoded == NULL)
        return;
    must(decoded_length <= length && decoded[decoded_length] == '\0');
    for (size_t i = 0; i < decoded_length; i++)
        snprintf(encoded + 3 * i, 4, "%%%02x", (unsigned char)decoded[i]);
    again = percent_decode(arena, encoded, 3 * decoded_length, false, &again_length);
    must(again != NULL && again_length == decoded_length);
    must(memcmp(again, decoded, decoded_length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4096);
    struct violations violations = {.arena = arena};
    struct request request = {.query = arena_copy(arena, data, size)};
    struct value values[COUNT];
    char *exact = malloc(size + 1);

    request_parameters(&request, parameters, COUNT, values, &violations);
    for (size_t i = 0; i < violations.count; i++) {
        const struct violation *each = &violations.list[i];

        must(each->pointer == NULL && each->code != NULL && each->detail != NULL);
        must(each->parameter == NULL || utf8_length(each->parameter, strlen(each->parameter)) >= 0);
    }
    if (violations.count == 0)
        check_values(values);
    memcpy(exact, data, size);
    check_codec(arena, exact, size);
    free(exact);
    arena_free(arena);
    return 0;
}
