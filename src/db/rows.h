/*
 * rows.h: the rows of a result as they came from PostgreSQL, in its binary format, without a copy.
 * Valid as long as the arena of the query. Columns are counted from 0. Asking for a value of
 * another width than the column has is a programming error and aborts: results and statements are
 * compiled together.
 */
#ifndef DB_ROWS_H
#define DB_ROWS_H

#include "base/base.h"
#include "base/uuid.h"

struct cell {
    const uint8_t *bytes;
    int length; /* -1: null */
};

struct rows {
    int count;
    int columns;
    const struct cell *cells; /* count * columns */
};

bool rows_null(const struct rows *rows, int row, int column);

/* Text, citext, enum words: not NUL-terminated as far as you know; borrowed. */
const char *rows_text(const struct rows *rows, int row, int column, size_t *length);
/* Compares text with a string. */
bool rows_is(const struct rows *rows, int row, int column, const char *string);

/* bytea; borrowed. */
const uint8_t *rows_bytes(const struct rows *rows, int row, int column, size_t *length);

bool rows_bool(const struct rows *rows, int row, int column);
int32_t rows_int4(const struct rows *rows, int row, int column);
int64_t rows_int8(const struct rows *rows, int row, int column);
/* Days since 2000-01-01. */
int32_t rows_date(const struct rows *rows, int row, int column);
/* Microseconds since 2000-01-01T00:00:00Z. */
int64_t rows_timestamp(const struct rows *rows, int row, int column);
const struct uuid *rows_uuid(const struct rows *rows, int row, int column);
/* The text of a jsonb value. */
const char *rows_json(const struct rows *rows, int row, int column, size_t *length);

/* Walks a one-dimensional text[] without nulls: start with *at = 0; false at the end. */
bool rows_array_next(
    const struct rows *rows, int row, int column, size_t *at, const char **text, size_t *length);

#endif
