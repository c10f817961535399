/*
 * output.h: what a verb found: a table for people, or with --json a document for programs: an array
 * of objects, or one object. Columns have one name for both. What comes from outside is printed to
 * people with its control characters replaced, so that nobody can write on an operator's terminal.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include "ctl/ctl.h"

enum output_type {
    OUTPUT_TEXT,
    OUTPUT_UUID,
    OUTPUT_TIMESTAMP,
    OUTPUT_BOOL,
    OUTPUT_INT4,
    OUTPUT_INT8
};

struct output_column {
    const char *name;
    enum output_type type;
};

struct output;

/* Starts one; borrows the columns. Owned by the arena. */
struct output *output_new(struct ctl *ctl, const struct output_column *columns, size_t count);

/* One value of the current row after the other; a full row begins the next. */
void output_null(struct output *output);
void output_text(struct output *output, const char *text, size_t length);
void output_string(struct output *output, const char *string); /* NULL: null */
void output_uuid(struct output *output, const struct uuid *uuid);
void output_timestamp(struct output *output, int64_t us_since_2000);
void output_bool(struct output *output, bool value);
void output_int(struct output *output, int64_t value);

/* All rows of a result whose columns are those of the output. */
void output_rows(struct output *output, const struct rows *rows);

/* Prints them all: a table or an array. */
void output_list(const struct output *output);
/* Prints the first row, which is there: a line a column, or an object. */
void output_object(const struct output *output);

#endif
