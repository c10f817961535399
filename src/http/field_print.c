/*
 * field_print.c: one line a field. Types and flags have their own names in lower case.
 */
#include "http/field_print.h"

static const char *const types[] = {
    [FIELD_STRING] = "string",
    [FIELD_TEXT] = "text",
    [FIELD_SECRET] = "secret",
    [FIELD_WORD] = "word",
    [FIELD_DIGITS] = "digits",
    [FIELD_INTEGER] = "integer",
    [FIELD_DATE] = "date",
    [FIELD_STRINGS] = "strings",
    [FIELD_UUID] = "uuid",
    [FIELD_CURSOR] = "cursor",
    [FIELD_TIMESTAMP] = "timestamp",
    [FIELD_BOOLEAN] = "boolean",
    [FIELD_JSON] = "json",
};

static void print_flags(FILE *out, const struct field *field)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{FIELD_REQUIRED, "required"}, {FIELD_NULLABLE, "nullable"},
        {FIELD_READ_ONLY, "read-only"}, {FIELD_WRITE_ONLY, "write-only"}, {FIELD_PAST, "past"}};
    const char *before = "";

    for (size_t i = 0; i < countof(names); i++) {
        if ((field->flags & names[i].flag) == 0)
            continue;
        fprintf(out, "%s%s", before, names[i].name);
        before = ",";
    }
    if (field->check != NULL)
        fprintf(out, "%schecked", before);
    else if (*before == '\0')
        fputs("-", out);
}

static void print_words(FILE *out, const struct field *field)
{
    if (field->words == NULL)
        fputs("-", out);
    for (size_t i = 0; field->words != NULL && field->words[i] != NULL; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ",", field->words[i]);
}

void field_print(FILE *out, const char *before, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];

        fprintf(out, "%s\t%s\t%s\t", before, field->name, types[field->type]);
        print_flags(out, field);
        fprintf(out, "\t%" PRId64 "\t", field->min);
        if (field->max >= INT32_MAX)
            fputs("-", out);
        else
            fprintf(out, "%" PRId64, field->max);
        fprintf(out, "\t%d\t", field->items);
        print_words(out, field);
        fprintf(out, "\t%s\n", field->initial == NULL ? "-" : field->initial);
    }
}
