/*
 * field.c: what the rows of a field table mean. Checking never stops at the first violation: a
 * client is told everything that is wrong at once.
 */
#include "http/field.h"

#include "base/timestamp.h"
#include "http/utf8.h"

enum { NAME_SHOWN = 64 }; /* of an unknown member's name, in bytes */

void violation_add(struct violations *violations, const char *pointer, const char *parameter,
    const char *code, const char *detail)
{
    if (violations->count < VIOLATIONS)
        violations->list[violations->count++] =
            (struct violation){pointer, parameter, code, detail};
}

/* Where a value stands. Its pointer is written only when there is something to report. */
struct place {
    struct violations *violations;
    const char *member;    /* of the body; NULL for a parameter */
    const char *parameter; /* of the query string; NULL for a body */
    ptrdiff_t item;        /* of an array; -1: not in one */
};

static const char *base_of(const struct violations *violations)
{
    return violations->base == NULL ? "" : violations->base;
}

static void wrong(const struct place *place, const char *code, const char *detail)
{
    struct arena *arena = place->violations->arena;
    const char *base = base_of(place->violations);
    const char *pointer = NULL;

    if (place->member != NULL && place->item >= 0)
        pointer = arena_format(arena, "%s/%s/%td", base, place->member, place->item);
    else if (place->member != NULL)
        pointer = arena_format(arena, "%s/%s", base, place->member);
    violation_add(place->violations, pointer, place->parameter, code, detail);
}

static bool writable(const struct field *field)
{
    return (field->flags & FIELD_READ_ONLY) == 0;
}

/* --- text --- */

static void check_length(const struct field *field, ptrdiff_t length, const struct place *place)
{
    struct arena *arena = place->violations->arena;

    if (length < field->min)
        wrong(place, "too_short",
            arena_format(arena, "At least %" PRId64 " characters are needed.", field->min));
    else if (length > field->max)
        wrong(place, "too_long",
            arena_format(arena, "At most %" PRId64 " characters are allowed.", field->max));
}

static void check_string(
    const struct field *field, const struct text *text, const struct place *place)
{
    ptrdiff_t length = utf8_length(text->bytes, text->length);
    bool lines = field->type == FIELD_TEXT;

    if (length < 0) {
        wrong(place, "invalid_characters", "The text is not valid UTF-8.");
        return;
    }
    check_length(field, length, place);
    if (!utf8_printable(text->bytes, text->length, lines))
        wrong(place, "invalid_characters", "Control characters are not allowed.");
    else if (field->check != NULL && length >= field->min && length <= field->max &&
             !field->check(text->bytes, text->length))
        wrong(place, "invalid_format", "The text has not the expected form.");
}

static void check_secret(
    const struct field *field, const struct text *text, const struct place *place)
{
    struct arena *arena = place->violations->arena;
    ptrdiff_t length = utf8_length(text->bytes, text->length);

    if (length < field->min)
        wrong(place, "too_short",
            arena_format(arena, "At least %" PRId64 " characters are needed.", field->min));
    else if (text->length > (size_t)field->max)
        wrong(place, "too_long",
            arena_format(arena, "At most %" PRId64 " bytes are allowed.", field->max));
}

static void check_word(
    const struct field *field, const struct text *text, const struct place *place)
{
    struct buf list;

    for (size_t i = 0; field->words[i] != NULL; i++)
        if (strlen(field->words[i]) == text->length &&
            memcmp(field->words[i], text->bytes, text->length) == 0)
            return;
    buf_init(&list, place->violations->arena, 128);
    buf_puts(&list, "Allowed are ");
    for (size_t i = 0; field->words[i] != NULL; i++) {
        buf_puts(&list, i == 0 ? "" : ", ");
        buf_puts(&list, field->words[i]);
    }
    buf_putc(&list, '.');
    wrong(place, "not_allowed", list.data);
}

static void check_digits(
    const struct field *field, const struct text *text, const struct place *place)
{
    bool digits = true;

    for (size_t i = 0; i < text->length; i++)
        digits = digits && text->bytes[i] >= '0' && text->bytes[i] <= '9';
    if (!digits || text->length < (size_t)field->min || text->length > (size_t)field->max)
        wrong(place, "invalid_format",
            arena_format(
                place->violations->arena, "Exactly %" PRId64 " digits are needed.", field->max));
}

static void check_date(const struct field *field, struct value *value, const struct place *place)
{
    int32_t days;

    if (value->text.length != DATE_SIZE - 1 || !date_parse(value->text.bytes, &days)) {
        wrong(place, "invalid_format", "A date YYYY-MM-DD is needed (RFC 3339).");
        return;
    }
    if ((field->flags & FIELD_PAST) != 0 && days > date_today())
        wrong(place, "in_the_future", "The date must not be in the future.");
    value->number = days;
}

static void check_text(const struct field *field, struct value *value, const struct place *place)
{
    switch (field->type) {
    case FIELD_SECRET:
        check_secret(field, &value->text, place);
        break;
    case FIELD_WORD:
        check_word(field, &value->text, place);
        break;
    case FIELD_DIGITS:
        check_digits(field, &value->text, place);
        break;
    case FIELD_DATE:
        check_date(field, value, place);
        break;
    case FIELD_UUID:
        if (!uuid_parse(value->text.bytes, value->text.length, &value->uuid))
            wrong(place, "invalid_format", "A UUID is needed.");
        break;
    default:
        check_string(field, &value->text, place);
        break;
    }
}

static void check_range(const struct field *field, int64_t number, const struct place *place)
{
    if (number < field->min || number > field->max)
        wrong(place, "out_of_range",
            arena_format(place->violations->arena, "Allowed are %" PRId64 " to %" PRId64 ".",
                field->min, field->max));
}

/* --- bodies --- */

static void read_strings(const struct field *field, const struct json *json, struct value *value,
    const struct place *place)
{
    struct arena *arena = place->violations->arena;
    size_t count = json_array_length(json);
    struct text *texts;

    if (count > (size_t)field->items) {
        wrong(
            place, "too_many", arena_format(arena, "At most %d items are allowed.", field->items));
        return;
    }
    texts = arena_alloc(arena, count * sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_array_at(json, i);
        struct place inner = *place;

        inner.item = (ptrdiff_t)i;
        if (json_kind(item) != JSON_KIND_STRING) {
            wrong(&inner, "wrong_type", "A string is needed.");
            continue;
        }
        texts[i].bytes = json_text(item, &texts[i].length);
        if (field->words != NULL)
            check_word(field, &texts[i], &inner);
        else
            check_string(field, &texts[i], &inner);
    }
    value->texts = texts;
    value->count = count;
}

static void read_member(const struct field *field, const struct json *json, struct value *value,
    const struct place *place)
{
    enum json_kind kind = json_kind(json);

    if (field->type == FIELD_STRINGS && kind == JSON_KIND_ARRAY) {
        read_strings(field, json, value, place);
    } else if (field->type == FIELD_STRINGS) {
        wrong(place, "wrong_type", "An array of strings is needed.");
    } else if (field->type == FIELD_INTEGER) {
        if ((kind != JSON_KIND_INTEGER && kind != JSON_KIND_REAL) ||
            !json_whole(json, &value->number))
            wrong(place, "wrong_type", "An integer is needed.");
        else
            check_range(field, value->number, place);
    } else if (kind != JSON_KIND_STRING) {
        wrong(place, "wrong_type", "A string is needed.");
    } else {
        value->text.bytes = json_text(json, &value->text.length);
        check_text(field, value, place);
    }
}

/* The value of a field that was not given, or was reset. */
static void initialize(const struct field *field, struct value *value)
{
    value->null = field->initial == NULL && field->type != FIELD_STRINGS;
    if (field->initial != NULL)
        value->text = (struct text){field->initial, strlen(field->initial)};
}

static void read_field(const struct field *field, const struct json *json, enum field_mode mode,
    struct value *value, const struct place *place)
{
    bool null = json != NULL && json_kind(json) == JSON_KIND_NULL;
    bool resets = null && ((field->flags & FIELD_NULLABLE) != 0 || mode == FIELD_MERGE);

    memset(value, 0, sizeof *value);
    value->given = json != NULL;
    if (json != NULL && !writable(field)) {
        wrong(place, "read_only", "The service sets this field itself.");
    } else if ((field->flags & FIELD_REQUIRED) != 0 &&
               (json == NULL ? mode == FIELD_WHOLE : resets)) {
        wrong(place, "required", "This field is required.");
    } else if (json == NULL || resets) {
        initialize(field, value);
    } else {
        read_member(field, json, value, place);
    }
}

static bool known(const struct field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

/* A member's name as a JSON Pointer, its tilde and slash escaped (RFC 6901 section 3). */
static const char *pointer_to(const struct violations *violations, const char *name)
{
    const char *base = base_of(violations);
    size_t end = strlen(base) + NAME_SHOWN;
    struct buf pointer;

    buf_init(&pointer, violations->arena, end);
    buf_puts(&pointer, base);
    buf_putc(&pointer, '/');
    for (; *name != '\0' && pointer.length < end; name++) {
        if (*name == '~')
            buf_puts(&pointer, "~0");
        else if (*name == '/')
            buf_puts(&pointer, "~1");
        else
            buf_putc(&pointer, *name);
    }
    /* Do not cut a character in two. */
    while (utf8_length(pointer.data, pointer.length) < 0)
        pointer.data[--pointer.length] = '\0';
    return pointer.data;
}

static void refuse_unknown(const struct field *fields, size_t count, const struct json *object,
    struct violations *violations)
{
    const struct json *member;
    const char *name;
    void *at = NULL;

    while ((at = json_members(object, at, &name, &member)) != NULL)
        if (!known(fields, count, name))
            violation_add(violations, pointer_to(violations, name), NULL, "unknown_field",
                "There is no such field.");
}

void fields_read(const struct field *fields, size_t count, const struct json *object,
    enum field_mode mode, struct value *values, struct violations *violations)
{
    for (size_t i = 0; i < count; i++) {
        struct place place = {violations, fields[i].name, NULL, -1};

        read_field(&fields[i], json_member(object, fields[i].name), mode, &values[i], &place);
    }
    refuse_unknown(fields, count, object, violations);
}

/* --- query strings --- */

static bool contains(const struct text *texts, size_t count, const struct text *text)
{
    for (size_t i = 0; i < count; i++)
        if (texts[i].length == text->length &&
            memcmp(texts[i].bytes, text->bytes, text->length) == 0)
            return true;
    return false;
}

/* Words with commas between them, up to the first one that is wrong. */
static void read_words(const struct field *field, const char *at, size_t left, struct value *value,
    const struct place *place)
{
    size_t known = place->violations->count;
    struct text *texts =
        arena_alloc(place->violations->arena, (size_t)field->items * sizeof *texts);
    const char *comma;

    do {
        struct text word = {at, left};

        comma = memchr(at, ',', left);
        if (comma != NULL)
            word.length = (size_t)(comma - at);
        if (contains(texts, value->count, &word))
            wrong(place, "duplicate", "Each word may be given once only.");
        else
            check_word(field, &word, place);
        if (place->violations->count > known)
            return;
        texts[value->count++] = word;
        at += word.length + 1;
        left -= MIN(word.length + 1, left);
    } while (comma != NULL);
    value->texts = texts;
}

void field_read_parameter(const struct field *field, const char *text, size_t length,
    struct value *value, struct violations *violations)
{
    struct place place = {violations, NULL, field->name, -1};
    char *end;

    value->given = true;
    value->text = (struct text){text, length};
    if (field->type == FIELD_STRINGS) {
        read_words(field, text, length, value, &place);
        return;
    }
    if (field->type != FIELD_INTEGER) {
        check_text(field, value, &place);
        return;
    }
    errno = 0;
    value->number = strtoll(text, &end, 10);
    if (length == 0 || end != text + length || errno != 0 || text[0] < '0' || text[0] > '9')
        wrong(&place, "wrong_type", "An integer is needed.");
    else
        check_range(field, value->number, &place);
}

/* --- statements --- */

int32_t fields_mask(const struct field *fields, size_t count, const struct value *values)
{
    int32_t mask = 0;
    int bit = 0;

    for (size_t i = 0; i < count; i++) {
        if (!writable(&fields[i]))
            continue;
        mask |= values[i].given ? 1 << bit : 0;
        bit++;
    }
    return mask;
}

void fields_bind(
    const struct field *fields, size_t count, const struct value *values, struct query *query)
{
    for (size_t i = 0; i < count; i++) {
        const struct value *value = &values[i];

        if (!writable(&fields[i]))
            continue;
        if (value->null)
            query_null(query);
        else if (fields[i].type == FIELD_STRINGS)
            query_text_array(query, value->texts, value->count);
        else if (fields[i].type == FIELD_INTEGER)
            query_int4(query, (int32_t)value->number);
        else if (fields[i].type == FIELD_DATE)
            query_date(query, (int32_t)value->number);
        else
            query_text(query, value->text.bytes, value->text.length);
    }
}

static void write_value(const struct field *field, const struct value *value, struct json_out *out)
{
    if (value->null) {
        json_put_null(out);
    } else if (field->type == FIELD_STRINGS) {
        json_open_array(out);
        for (size_t i = 0; i < value->count; i++)
            json_put_text(out, value->texts[i].bytes, value->texts[i].length);
        json_close_array(out);
    } else if (field->type == FIELD_INTEGER) {
        json_put_int(out, value->number);
    } else if (field->type == FIELD_DATE) {
        json_put_date(out, (int32_t)value->number);
    } else {
        json_put_text(out, value->text.bytes, value->text.length);
    }
}

void fields_write(
    const struct field *fields, size_t count, const struct value *values, struct json_out *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!writable(&fields[i]))
            continue;
        json_key(out, fields[i].name);
        write_value(&fields[i], &values[i], out);
    }
}

static void render_strings(const struct rows *rows, int row, int column, struct json_out *out)
{
    const char *text;
    size_t length, at = 0;

    json_open_array(out);
    while (rows_array_next(rows, row, column, &at, &text, &length))
        json_put_text(out, text, length);
    json_close_array(out);
}

static void render_value(
    const struct field *field, const struct rows *rows, int row, int column, struct json_out *out)
{
    const char *text;
    size_t length;

    switch (field->type) {
    case FIELD_INTEGER:
        json_put_int(out, rows_int4(rows, row, column));
        break;
    case FIELD_DATE:
        json_put_date(out, rows_date(rows, row, column));
        break;
    case FIELD_TIMESTAMP:
        json_put_timestamp(out, rows_timestamp(rows, row, column));
        break;
    case FIELD_BOOLEAN:
        json_put_bool(out, rows_bool(rows, row, column));
        break;
    case FIELD_UUID:
        json_put_uuid(out, rows_uuid(rows, row, column));
        break;
    case FIELD_STRINGS:
        render_strings(rows, row, column, out);
        break;
    case FIELD_JSON:
        text = rows_json(rows, row, column, &length);
        json_put_raw(out, text, length);
        break;
    default:
        text = rows_text(rows, row, column, &length);
        json_put_text(out, text, length);
        break;
    }
}

void fields_render_some(const struct field *fields, size_t count, uint32_t shown,
    const struct rows *rows, int row, int column, struct json_out *out)
{
    json_open_object(out);
    for (size_t i = 0; i < count; i++) {
        if ((fields[i].flags & FIELD_WRITE_ONLY) != 0)
            continue;
        if ((shown >> i & 1) != 0) {
            json_key(out, fields[i].name);
            if (rows_null(rows, row, column))
                json_put_null(out);
            else
                render_value(&fields[i], rows, row, column, out);
        }
        column++;
    }
    json_close_object(out);
}

void fields_render(const struct field *fields, size_t count, const struct rows *rows, int row,
    int column, struct json_out *out)
{
    fields_render_some(fields, count, UINT32_MAX, rows, row, column, out);
}
