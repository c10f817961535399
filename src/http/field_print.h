/*
 * field_print.h: the table of fields for a machine to read, so that what is written elsewhere about
 * fields (docs/openapi.yaml) can be compared with it.
 */
#ifndef HTTP_FIELD_PRINT_H
#define HTTP_FIELD_PRINT_H

#include <stdio.h>

#include "http/field.h"

/*
 * One line a field, its columns divided by tabs: `before`, name, type, flags by commas, least,
 * most, items, words by commas, value when not given. `-` stands for none, and for a most that is
 * INT32_MAX: then the handler has more to say than the table.
 */
void field_print(FILE *out, const char *before, const struct field *fields, size_t count);

#endif
