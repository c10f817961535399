/*
 * fuzz_json.c: a body, parsed and checked against a table with every type of field. The first byte
 * chooses POST or PATCH. What has no violation is within its bounds, and every string that was read
 * is written back so that jansson reads the same.
 */
#include "base/base.h"

#include <jansson.h>

#include "base/timestamp.h"
#include "http/field.h"
#include "http/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAME, KIND, NOTES, WEIGHT, CHIP, BORN, TAGS, SECRET, ID, COUNT };

static const char *const kinds[] = {"dog", "cat", NULL};
static const struct field fields[COUNT] = {
    [NAME] = {"name", FIELD_STRING, FIELD_REQUIRED, 1, 8},
    [KIND] = {"kind", FIELD_WORD, 0, .words = kinds, .initial = "dog"},
    [NOTES] = {"notes", FIELD_TEXT, FIELD_NULLABLE, 0, 20},
    [WEIGHT] = {"weight", FIELD_INTEGER, FIELD_NULLABLE, 1, 2000000},
    [CHIP] = {"chip", FIELD_DIGITS, FIELD_NULLABLE, 15, 15},
    [BORN] = {"born", FIELD_DATE, FIELD_NULLABLE | FIELD_PAST},
    [TAGS] = {"tags", FIELD_STRINGS, 0, 1, 4, 3},
    [SECRET] = {"secret", FIELD_SECRET, FIELD_WRITE_ONLY, 3, 8},
    [ID] = {"id", FIELD_UUID, FIELD_READ_ONLY},
};

static void must(bool good)
{
    if (!good)
        abort();
}

/* Written and read again it is the same. */
static void check_echo(struct arena *arena, const char *text, size_t length)
{
    struct json_out out;
    struct buf buf;
    json_t *json;

    buf_init(&buf, arena, length);
    json_out_init(&out, &buf);
    json_put_text(&out, text, length);
    json = json_loadb(buf.data, buf.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    must(json != NULL && json_string_length(json) == length);
    must(memcmp(json_string_value(json), text, length) == 0);
    json_decref(json);
}

static void check_text(
    struct arena *arena, const struct text *text, int64_t min, int64_t max, bool lines)
{
    ptrdiff_t length = utf8_length(text->bytes, text->length);

    must(length >= min && length <= max);
    must(utf8_printable(text->bytes, text->length, lines));
    must(memchr(text->bytes, '\0', text->length) == NULL);
    check_echo(arena, text->bytes, text->length);
}

static void check_value(struct arena *arena, const struct field *field, const struct value *value)
{
    if (value->null)
        return;
    switch (field->type) {
    case FIELD_STRING:
        if (value->given)
            check_text(arena, &value->text, field->min, field->max, false);
        break;
    case FIELD_TEXT:
        check_text(arena, &value->text, field->min, field->max, true);
        break;
    case FIELD_WORD:
        must(strcmp(value->text.bytes, "dog") == 0 || strcmp(value->text.bytes, "cat") == 0);
        must(value->text.length == 3);
        break;
    case FIELD_INTEGER:
        must(value->number >= field->min && value->number <= field->max);
        break;
    case FIELD_DATE:
        must(value->number >= DATE_MIN && value->number <= date_today() + 1);
        break;
    case FIELD_DIGITS:
        must(value->text.length == 15 && strspn(value->text.bytes, "0123456789") == 15);
        break;
    case FIELD_STRINGS:
        must(value->count <= (size_t)field->items);
        for (size_t i = 0; i < value->count; i++)
            check_text(arena, &value->texts[i], field->min, field->max, false);
        break;
    case FIELD_SECRET:
        if (value->given)
            must(value->text.length >= 3 && value->text.length <= 8);
        break;
    default:
        must(!value->given);
        break;
    }
}

static void check_violations(struct arena *arena, const struct violations *violations)
{
    for (size_t i = 0; i < violations->count; i++) {
        const struct violation *each = &violations->list[i];

        must(each->pointer != NULL && each->parameter == NULL && each->code != NULL);
        must(each->pointer[0] == '/' && utf8_length(each->pointer, strlen(each->pointer)) >= 0);
        check_echo(arena, each->pointer, strlen(each->pointer));
        check_echo(arena, each->detail, strlen(each->detail));
    }
}

static void check_body(struct arena *arena, const struct json *object, enum field_mode mode)
{
    struct violations violations = {.arena = arena};
    struct value values[COUNT];

    fields_read(fields, COUNT, object, mode, values, &violations);
    check_violations(arena, &violations);
    if (violations.count > 0)
        return;
    must(mode == FIELD_MERGE || values[NAME].given);
    for (int i = 0; i < COUNT; i++)
        if (mode == FIELD_WHOLE || values[i].given)
            check_value(arena, &fields[i], &values[i]);
    must(fields_mask(fields, COUNT, values) < 1 << COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena;
    const struct json *json;
    const char *reason = NULL;

    if (size < 1)
        return 0;
    arena = arena_new(4096);
    json = json_parse(arena, (const char *)data + 1, size - 1, &reason);
    if (json == NULL)
        must(reason != NULL && utf8_length(reason, strlen(reason)) > 0);
    else if (json_kind(json) == JSON_KIND_OBJECT)
        check_body(arena, json, data[0] % 2 == 0 ? FIELD_WHOLE : FIELD_MERGE);
    arena_free(arena);
    return 0;
}
