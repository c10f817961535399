/*
 * json_out.c: the writer. Runs of plain characters are copied whole; only quotes, backslashes,
 * control characters and DEL are escaped (RFC 8259 section 7; DEL for the sake of terminals).
 */
#include "http/json_out.h"

#include "base/timestamp.h"

void json_out_init(struct json_out *out, struct buf *buf)
{
    out->buf = buf;
    out->comma = false;
}

static void item(struct json_out *out)
{
    if (out->comma)
        buf_putc(out->buf, ',');
    out->comma = true;
}

void json_open_object(struct json_out *out)
{
    item(out);
    buf_putc(out->buf, '{');
    out->comma = false;
}

void json_close_object(struct json_out *out)
{
    buf_putc(out->buf, '}');
    out->comma = true;
}

void json_open_array(struct json_out *out)
{
    item(out);
    buf_putc(out->buf, '[');
    out->comma = false;
}

void json_close_array(struct json_out *out)
{
    buf_putc(out->buf, ']');
    out->comma = true;
}

void json_key(struct json_out *out, const char *name)
{
    size_t length = strlen(name);
    char *at;

    item(out);
    at = buf_reserve(out->buf, length + 3);
    at[0] = '"';
    memcpy(at + 1, name, length);
    at[length + 1] = '"';
    at[length + 2] = ':';
    buf_advance(out->buf, length + 3);
    out->comma = false;
}

void json_put_raw(struct json_out *out, const char *json, size_t length)
{
    item(out);
    buf_put(out->buf, json, length);
}

void json_put_null(struct json_out *out)
{
    json_put_raw(out, "null", 4);
}

void json_put_bool(struct json_out *out, bool value)
{
    if (value)
        json_put_raw(out, "true", 4);
    else
        json_put_raw(out, "false", 5);
}

void json_put_int(struct json_out *out, int64_t value)
{
    item(out);
    buf_int(out->buf, value);
}

static bool plain(unsigned char byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

static void escape(struct buf *buf, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

    switch (byte) {
    case '"':
    case '\\':
        text[1] = (char)byte;
        buf_put(buf, text, 2);
        break;
    case '\n':
        buf_put(buf, "\\n", 2);
        break;
    case '\t':
        buf_put(buf, "\\t", 2);
        break;
    case '\r':
        buf_put(buf, "\\r", 2);
        break;
    default:
        buf_put(buf, text, sizeof text);
        break;
    }
}

void json_put_text(struct json_out *out, const char *text, size_t length)
{
    size_t start = 0;

    item(out);
    buf_putc(out->buf, '"');
    for (size_t i = 0; i < length; i++) {
        if (plain((unsigned char)text[i]))
            continue;
        buf_put(out->buf, text + start, i - start);
        escape(out->buf, (unsigned char)text[i]);
        start = i + 1;
    }
    buf_put(out->buf, text + start, length - start);
    buf_putc(out->buf, '"');
}

void json_put_string(struct json_out *out, const char *string)
{
    if (string == NULL)
        json_put_null(out);
    else
        json_put_text(out, string, strlen(string));
}

/* Text that needs no escaping, in quotes. */
static void put_quoted(struct json_out *out, const char *text, size_t length)
{
    char *at;

    item(out);
    at = buf_reserve(out->buf, length + 2);
    at[0] = '"';
    memcpy(at + 1, text, length);
    at[length + 1] = '"';
    buf_advance(out->buf, length + 2);
}

void json_put_uuid(struct json_out *out, const struct uuid *uuid)
{
    char text[UUID_SIZE];

    uuid_format(uuid, text);
    put_quoted(out, text, UUID_SIZE - 1);
}

void json_put_date(struct json_out *out, int32_t days)
{
    char text[DATE_SIZE];

    date_format(days, text);
    put_quoted(out, text, strlen(text));
}

void json_put_timestamp(struct json_out *out, int64_t microseconds)
{
    char text[TIMESTAMP_SIZE];

    timestamp_format(microseconds, text);
    put_quoted(out, text, strlen(text));
}
