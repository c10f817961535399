/*
 * output.c: every value is rendered once, as JSON; what people read is made from that text. So both
 * say the same, and a table can be laid out after its widest value is known.
 */
#include "ctl/output.h"

#include "base/timestamp.h"
#include "http/json_out.h"
#include "http/utf8.h"

struct output {
    const struct ctl *ctl;
    const struct output_column *columns;
    size_t width; /* of a row: how many columns */
    size_t count; /* of cells */
    size_t size;
    struct cell_text {
        const char *json;  /* NUL-terminated */
        const char *plain; /* NUL-terminated, safe for a terminal */
    } * cells;
};

struct output *output_new(struct ctl *ctl, const struct output_column *columns, size_t count)
{
    struct output *output = arena_zalloc(ctl->arena, sizeof *output);

    output->ctl = ctl;
    output->columns = columns;
    output->width = count;
    return output;
}

/* --- cells --- */

static void add(struct output *output, const char *json, const char *plain)
{
    struct arena *arena = output->ctl->arena;

    if (output->count == output->size) {
        size_t size = MAX(output->size * 2, (size_t)64);
        struct cell_text *cells = arena_zalloc(arena, size * sizeof *cells);

        if (output->count > 0)
            memcpy(cells, output->cells, output->count * sizeof *cells);
        output->cells = cells;
        output->size = size;
    }
    output->cells[output->count++] = (struct cell_text){json, plain};
}

/* Control characters, C1 among them, as question marks. */
static const char *harmless(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_zalloc(arena, length + 1);

    memcpy(copy, text, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)copy[i];
        unsigned char next = i + 1 < length ? (unsigned char)copy[i + 1] : 0;

        if (byte < 0x20 || byte == 0x7f)
            copy[i] = '?';
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0)
            copy[i] = copy[i + 1] = '?';
    }
    return copy;
}

void output_null(struct output *output)
{
    add(output, "null", "-");
}

void output_text(struct output *output, const char *text, size_t length)
{
    struct json_out json;
    struct buf buf;

    buf_init(&buf, output->ctl->arena, length + 16);
    json_out_init(&json, &buf);
    json_put_text(&json, text, length);
    add(output, buf.data, harmless(output->ctl->arena, text, length));
}

void output_string(struct output *output, const char *string)
{
    if (string == NULL)
        output_null(output);
    else
        output_text(output, string, strlen(string));
}

void output_uuid(struct output *output, const struct uuid *uuid)
{
    char text[UUID_SIZE];

    uuid_format(uuid, text);
    output_string(output, text);
}

void output_timestamp(struct output *output, int64_t us_since_2000)
{
    char text[TIMESTAMP_SIZE];

    timestamp_format(us_since_2000, text);
    output_string(output, text);
}

void output_bool(struct output *output, bool value)
{
    add(output, value ? "true" : "false", value ? "yes" : "no");
}

void output_int(struct output *output, int64_t value)
{
    struct buf buf;

    buf_init(&buf, output->ctl->arena, 24);
    buf_int(&buf, value);
    add(output, buf.data, buf.data);
}

static void add_cell(struct output *output, const struct rows *rows, int row, int column)
{
    const char *text;
    size_t length;

    if (rows_null(rows, row, column)) {
        output_null(output);
        return;
    }
    switch (output->columns[column].type) {
    case OUTPUT_TEXT:
        text = rows_text(rows, row, column, &length);
        output_text(output, text, length);
        break;
    case OUTPUT_UUID:
        output_uuid(output, rows_uuid(rows, row, column));
        break;
    case OUTPUT_TIMESTAMP:
        output_timestamp(output, rows_timestamp(rows, row, column));
        break;
    case OUTPUT_BOOL:
        output_bool(output, rows_bool(rows, row, column));
        break;
    case OUTPUT_INT4:
        output_int(output, rows_int4(rows, row, column));
        break;
    case OUTPUT_INT8:
        output_int(output, rows_int8(rows, row, column));
        break;
    }
}

void output_rows(struct output *output, const struct rows *rows)
{
    for (int row = 0; row < rows->count; row++)
        for (int column = 0; column < (int)output->width; column++)
            add_cell(output, rows, row, column);
}

/* --- printing --- */

static void print_json_row(const struct output *output, size_t row)
{
    for (size_t i = 0; i < output->width; i++)
        printf("%s\"%s\": %s", i == 0 ? "{" : ", ", output->columns[i].name,
            output->cells[row * output->width + i].json);
    putchar('}');
}

static void print_json(const struct output *output)
{
    size_t rows = output->count / output->width;

    for (size_t row = 0; row < rows; row++) {
        fputs(row == 0 ? "[\n  " : ",\n  ", stdout);
        print_json_row(output, row);
    }
    puts(rows == 0 ? "[]" : "\n]");
}

/* In characters, or in bytes when it is not UTF-8. */
static size_t width_of(const char *text)
{
    ptrdiff_t characters = utf8_length(text, strlen(text));

    return characters < 0 ? strlen(text) : (size_t)characters;
}

static size_t widest(const struct output *output, size_t column)
{
    size_t width = strlen(output->columns[column].name);

    for (size_t i = column; i < output->count; i += output->width)
        width = MAX(width, width_of(output->cells[i].plain));
    return width;
}

/* A value of a table; the last of a row has nothing behind it. */
static void print_padded(const char *text, size_t width, bool last)
{
    fputs(text, stdout);
    if (last)
        putchar('\n');
    else
        printf("%*s", (int)(width - width_of(text) + 2), "");
}

static void print_table(const struct output *output)
{
    size_t *widths = arena_zalloc(output->ctl->arena, output->width * sizeof *widths);

    for (size_t i = 0; i < output->width; i++) {
        widths[i] = widest(output, i);
        print_padded(output->columns[i].name, widths[i], i + 1 == output->width);
    }
    for (size_t i = 0; i < output->count; i++) {
        size_t column = i % output->width;

        print_padded(output->cells[i].plain, widths[column], column + 1 == output->width);
    }
}

void output_list(const struct output *output)
{
    if (output->ctl->option[CTL_JSON] != NULL)
        print_json(output);
    else
        print_table(output);
}

void output_object(const struct output *output)
{
    size_t width = 0;

    if (output->ctl->option[CTL_JSON] != NULL) {
        print_json_row(output, 0);
        putchar('\n');
        return;
    }
    for (size_t i = 0; i < output->width; i++)
        width = MAX(width, strlen(output->columns[i].name));
    for (size_t i = 0; i < output->width; i++)
        printf("%-*s  %s\n", (int)width, output->columns[i].name, output->cells[i].plain);
}
