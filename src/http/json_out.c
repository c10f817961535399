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

/* Room for an item of `length` bytes, behind a comma if it needs one. Follow it with `put`. */
static char *reserve(struct json_out *out, size_t length)
{
    char *at = buf_reserve(out->buf, length + 1);

    if (out->comma)
        *at++ = ',';
    out->comma = true;
    return at;
}

/* The item ends at `end`. */
static void put(struct json_out *out, const char *end)
{
    buf_advance(out->buf, (size_t)(end - out->buf->data) - out->buf->length);
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
    char *at = reserve(out, length + 3);

    at[0] = '"';
    memcpy(at + 1, name, length);
    at[length + 1] = '"';
    at[length + 2] = ':';
    put(out, at + length + 3);
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

/* What is not copied as it is. A table, as every byte of every text is looked up. */
static const bool special[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f] = true};

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

/* Text that needs no escaping, in quotes. */
static void put_quoted(struct json_out *out, const char *text, size_t length)
{
    char *at = reserve(out, length + 2);

    at[0] = '"';
    if (length > 0)
        memcpy(at + 1, text, length);
    at[length + 1] = '"';
    put(out, at + length + 2);
}

/* The first byte of a text that is not copied as it is; its length: none. */
static size_t first_special(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length && !special[(unsigned char)text[at]])
        at++;
    return at;
}

void json_put_text(struct json_out *out, const char *text, size_t length)
{
    size_t plain = first_special(text, length);

    if (plain == length) {
        put_quoted(out, text, length);
        return;
    }
    item(out);
    buf_putc(out->buf, '"');
    while (length > 0) {
        buf_put(out->buf, text, plain);
        text += plain;
        length -= plain;
        if (length > 0) {
            escape(out->buf, (unsigned char)*text++);
            length--;
        }
        plain = first_special(text, length);
    }
    buf_putc(out->buf, '"');
}

void json_put_string(struct json_out *out, const char *string)
{
    if (string == NULL)
        json_put_null(out);
    else
        json_put_text(out, string, strlen(string));
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
