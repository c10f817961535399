/*
 * field.h: the table of fields. One row says a field's name, type, bounds and who may write it;
 * from it come the validation of bodies and query strings (every violation at once, each with its
 * place), the binding of parameters and the rendering of rows. A resource lists its fields in the
 * order of the columns that its statements return, and of the parameters that they take.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include "db/query.h"
#include "http/json_in.h"
#include "http/json_out.h"

enum field_type {
    FIELD_STRING, /* min..max characters of one line */
    FIELD_TEXT,   /* the same, and line breaks and tabs */
    FIELD_SECRET, /* min characters .. max bytes of anything, NUL included; never rendered or logged
                   */
    FIELD_WORD,   /* one of words[] */
    FIELD_DIGITS, /* min..max decimal digits */
    FIELD_INTEGER, /* min..max */
    FIELD_DATE,    /* YYYY-MM-DD; with FIELD_PAST not in the future (by UTC) */
    FIELD_STRINGS, /* up to `items` strings of min..max characters, or of words[]; in a query
                      string: of words[], each once, with commas between them */
    FIELD_UUID,
    FIELD_CURSOR,    /* query strings only: text, checked by the handler */
    FIELD_TIMESTAMP, /* the rest is rendered only */
    FIELD_BOOLEAN,
    FIELD_JSON,
};

enum {
    FIELD_REQUIRED = 1,   /* must be given */
    FIELD_NULLABLE = 2,   /* null is a value */
    FIELD_READ_ONLY = 4,  /* rendered, never taken */
    FIELD_WRITE_ONLY = 8, /* taken, never rendered */
    FIELD_PAST = 16,
    FIELD_VIEW = 32, /* query strings: how a list is shown, not what is in it */
};

struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    int64_t min, max;
    int items;
    const char *const *words; /* ends with NULL */
    const char *initial;      /* value when not given (WORD); STRINGS start empty */
    bool (*check)(const char *text, size_t length); /* more about STRING; may be NULL */
};

/* A checked value; text is borrowed from the body. */
struct value {
    bool given; /* present in the body or query string */
    bool null;
    struct text text; /* STRING, TEXT, SECRET, WORD, DIGITS, CURSOR */
    int64_t number;   /* INTEGER; DATE: days since 2000 */
    struct uuid uuid;
    const struct text *texts; /* STRINGS */
    size_t count;
};

/* One thing wrong with a request; strings are literals or owned by the arena. */
struct violation {
    const char *pointer;   /* JSON Pointer (RFC 6901) into the body; NULL for a parameter */
    const char *parameter; /* name of a query parameter; NULL for a body */
    const char *code;
    const char *detail;
};

enum { VIOLATIONS = 32 };
struct violations {
    struct arena *arena;
    const char *base; /* what every pointer of a body begins with: "/7"; NULL: nothing */
    size_t count;
    struct violation list[VIOLATIONS];
};

void violation_add(struct violations *violations, const char *pointer, const char *parameter,
    const char *code, const char *detail);

enum field_mode {
    FIELD_WHOLE, /* POST, PUT: what is not given has its initial value or is null */
    FIELD_MERGE, /* PATCH (RFC 7396): what is not given stays; null resets */
};

/* Checks an object against the table; values[i] belongs to fields[i]. */
void fields_read(const struct field *fields, size_t count, const struct json *object,
    enum field_mode mode, struct value *values, struct violations *violations);

/* Checks one parameter of a query string. */
void field_read_parameter(const struct field *field, const char *text, size_t length,
    struct value *value, struct violations *violations);

/* Which writable fields were given: bit 0 is the first writable one, and so on. */
int32_t fields_mask(const struct field *fields, size_t count, const struct value *values);

/* Binds every writable field, in order. */
void fields_bind(
    const struct field *fields, size_t count, const struct value *values, struct query *query);

/* Writes every writable field as a member, into an object that is open. */
void fields_write(
    const struct field *fields, size_t count, const struct value *values, struct json_out *out);

/* Those fields of a row whose bits are in `shown`: bit 0 is the first one, and so on. */
void fields_render_some(const struct field *fields, size_t count, uint32_t shown,
    const struct rows *rows, int row, int column, struct json_out *out);

/* One row as a JSON object; the first field is in column `column`. */
void fields_render(const struct field *fields, size_t count, const struct rows *rows, int row,
    int column, struct json_out *out);

#endif
