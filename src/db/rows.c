/*
 * rows.c: PostgreSQL's binary formats (the send functions of its types: network byte order
 * throughout).
 */
#include "db/rows.h"

#include <endian.h>

static const struct cell *cell_at(const struct rows *rows, int row, int column, int length)
{
    const struct cell *cell;

    if (row < 0 || row >= rows->count || column < 0 || column >= rows->columns)
        abort();
    cell = &rows->cells[row * rows->columns + column];
    if (length >= 0 && cell->length != length)
        abort();
    return cell;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return be32toh(value);
}

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return be64toh(value);
}

bool rows_null(const struct rows *rows, int row, int column)
{
    return cell_at(rows, row, column, -1)->length < 0;
}

const char *rows_text(const struct rows *rows, int row, int column, size_t *length)
{
    const struct cell *cell = cell_at(rows, row, column, -1);

    *length = cell->length < 0 ? 0 : (size_t)cell->length;
    return (const char *)cell->bytes;
}

bool rows_is(const struct rows *rows, int row, int column, const char *string)
{
    size_t length;
    const char *text = rows_text(rows, row, column, &length);

    return length == strlen(string) && memcmp(text, string, length) == 0;
}

const uint8_t *rows_bytes(const struct rows *rows, int row, int column, size_t *length)
{
    return (const uint8_t *)rows_text(rows, row, column, length);
}

bool rows_bool(const struct rows *rows, int row, int column)
{
    return cell_at(rows, row, column, 1)->bytes[0] != 0;
}

int32_t rows_int4(const struct rows *rows, int row, int column)
{
    return (int32_t)read_u32(cell_at(rows, row, column, 4)->bytes);
}

int64_t rows_int8(const struct rows *rows, int row, int column)
{
    return (int64_t)read_u64(cell_at(rows, row, column, 8)->bytes);
}

int32_t rows_date(const struct rows *rows, int row, int column)
{
    return rows_int4(rows, row, column);
}

int64_t rows_timestamp(const struct rows *rows, int row, int column)
{
    return rows_int8(rows, row, column);
}

const struct uuid *rows_uuid(const struct rows *rows, int row, int column)
{
    return (const struct uuid *)cell_at(rows, row, column, 16)->bytes;
}

const char *rows_json(const struct rows *rows, int row, int column, size_t *length)
{
    const struct cell *cell = cell_at(rows, row, column, -1);

    /* jsonb is sent as a version byte, 1, followed by its text. */
    if (cell->length < 1 || cell->bytes[0] != 1)
        abort();
    *length = (size_t)cell->length - 1;
    return (const char *)cell->bytes + 1;
}

bool rows_array_next(
    const struct rows *rows, int row, int column, size_t *at, const char **text, size_t *length)
{
    /* dimensions, has nulls, element type; then size and lower bound of the one dimension. */
    enum { HEADER = 12, DIMENSION = 8 };
    const struct cell *cell = cell_at(rows, row, column, -1);
    size_t size = cell->length < 0 ? 0 : (size_t)cell->length;
    uint32_t element;

    if (size < HEADER || read_u32(cell->bytes) == 0)
        return false;
    if (*at == 0)
        *at = HEADER + DIMENSION;
    if (*at + sizeof element > size)
        return false;
    element = read_u32(cell->bytes + *at);
    *at += sizeof element;
    if (element > size - *at)
        abort();
    *text = (const char *)cell->bytes + *at;
    *length = element;
    *at += element;
    return true;
}
