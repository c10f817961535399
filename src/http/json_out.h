/*
 * json_out.h: JSON that goes out, written straight into a buffer. The writer puts the commas; the
 * caller opens and closes. Text is taken to be valid UTF-8 (PostgreSQL and the parser see to that)
 * and escaped.
 */
#ifndef HTTP_JSON_OUT_H
#define HTTP_JSON_OUT_H

#include "base/buf.h"
#include "base/uuid.h"

struct json_out {
    struct buf *buf; /* borrowed */
    bool comma;      /* the next item needs one */
};

void json_out_init(struct json_out *out, struct buf *buf);

void json_open_object(struct json_out *out);
void json_close_object(struct json_out *out);
void json_open_array(struct json_out *out);
void json_close_array(struct json_out *out);

/* A member's name, which needs no escaping. */
void json_key(struct json_out *out, const char *name);

void json_put_null(struct json_out *out);
void json_put_bool(struct json_out *out, bool value);
void json_put_int(struct json_out *out, int64_t value);
void json_put_text(struct json_out *out, const char *text, size_t length);
/* NULL is written as null. */
void json_put_string(struct json_out *out, const char *string);
void json_put_uuid(struct json_out *out, const struct uuid *uuid);
/* Days, and microseconds, since 2000-01-01. */
void json_put_date(struct json_out *out, int32_t days);
void json_put_timestamp(struct json_out *out, int64_t microseconds);
/* JSON text as it is. */
void json_put_raw(struct json_out *out, const char *json, size_t length);

#endif
