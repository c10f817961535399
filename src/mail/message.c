/*
 * message.c: the text is quoted-printable (RFC 2045) and what is not ASCII in a header an encoded
 * word (RFC 2047). Both keep every byte away from whatever reads lines on the way: control
 * characters, a dot that stands alone, "From " at the start of a line.
 */
#include "mail/message.h"

#include "auth/email.h"
#include "base/uuid.h"

enum {
    LINE_LENGTH = 76,
    WORD_BYTES = 39, /* of text in one encoded word: 12 characters around 52 of base64 */
};

/* --- headers --- */

/* UTF-8 of one line, without control characters. */
static bool one_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 0x7e)
            return false;
    return true;
}

static void put_base64(struct buf *out, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = (const uint8_t *)text;

    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;

        group |= i + 1 < length ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= i + 2 < length ? bytes[i + 2] : 0;
        buf_putc(out, digits[group >> 18]);
        buf_putc(out, digits[group >> 12 & 63]);
        buf_putc(out, i + 1 < length ? digits[group >> 6 & 63] : '=');
        buf_putc(out, i + 2 < length ? digits[group & 63] : '=');
    }
}

/* As many whole characters of UTF-8 as fit into one encoded word. */
static size_t word_length(const char *text)
{
    size_t length = strnlen(text, WORD_BYTES + 1);

    if (length <= WORD_BYTES)
        return length;
    length = WORD_BYTES;
    while (length > WORD_BYTES - 4 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

/* Encoded words, a line each: white space between two of them is not part of the text. */
static void put_encoded(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t length = word_length(text);

        buf_puts(out, "=?UTF-8?B?");
        put_base64(out, text, length);
        buf_puts(out, "?=");
        text += length;
        if (*text != '\0')
            buf_puts(out, "\r\n ");
    }
}

/* A name before an address: a quoted string, if it fits, or encoded words. */
static void put_name(struct buf *out, const char *name)
{
    if (name[0] == '\0')
        return;
    if (!ascii(name) || strlen(name) > LINE_LENGTH / 2) {
        put_encoded(out, name);
    } else {
        buf_putc(out, '"');
        for (; *name != '\0'; name++)
            buf_printf(out, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
        buf_putc(out, '"');
    }
    buf_puts(out, "\r\n ");
}

static void put_subject(struct buf *out, const char *subject)
{
    buf_puts(out, "Subject: ");
    if (ascii(subject) && strlen(subject) <= LINE_LENGTH - 9 && strstr(subject, "=?") == NULL)
        buf_puts(out, subject);
    else
        put_encoded(out, subject);
    buf_puts(out, "\r\n");
}

static int put_date(struct buf *out, int64_t date_s)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)date_s;
    struct tm date;

    if (gmtime_r(&seconds, &date) == NULL)
        return -1;
    buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[date.tm_wday],
        date.tm_mday, months[date.tm_mon], date.tm_year + 1900, date.tm_hour, date.tm_min,
        date.tm_sec);
    return 0;
}

static int put_headers(struct buf *out, const struct message *message)
{
    if (put_date(out, message->date_s) != 0)
        return -1;
    buf_puts(out, "From: ");
    put_name(out, message->from_name);
    buf_printf(out, "<%s>\r\nTo: <%s>\r\n", message->from, message->to);
    put_subject(out, message->subject);
    buf_printf(out, "Message-ID:\r\n <%s@%s>\r\n", message->id, strchr(message->from, '@') + 1);
    buf_puts(out, "Auto-Submitted: auto-generated\r\n"
                  "MIME-Version: 1.0\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    return 0;
}

/* --- text --- */

/* Whether a byte can stand for itself; `first` and `last`: at the ends of its line. */
static bool stands(unsigned char byte, bool first, bool last)
{
    if (byte == ' ' || byte == '\t')
        return !last;
    if (first && (byte == '.' || byte == 'F'))
        return false;
    return byte > 0x20 && byte < 0x7f && byte != '=';
}

/* One line, in as many as it takes: soft breaks end with an equals sign. */
static void put_line(struct buf *out, const char *line, size_t length)
{
    size_t column = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)line[i];
        bool last = i + 1 == length;
        size_t width = stands(byte, column == 0, last) ? 1 : 3;

        if (column + width > LINE_LENGTH - (last ? 0 : 1)) {
            buf_puts(out, "=\r\n");
            column = 0;
            width = stands(byte, true, last) ? 1 : 3;
        }
        buf_printf(out, width == 1 ? "%c" : "=%02X", byte);
        column += width;
    }
    buf_puts(out, "\r\n");
}

static void put_text(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        put_line(out, text, length);
        text += length + (text[length] == '\n');
    }
}

int message_write(const struct message *message, struct buf *out)
{
    struct uuid id;
    size_t length = out->length;

    if (!email_valid(message->from, strlen(message->from)) ||
        !email_valid(message->to, strlen(message->to)) ||
        !uuid_parse(message->id, strlen(message->id), &id) || !one_line(message->from_name) ||
        !one_line(message->subject) || message->subject[0] == '\0')
        return -1;
    if (put_headers(out, message) != 0) {
        out->length = length;
        out->data[length] = '\0';
        return -1;
    }
    put_text(out, message->text);
    return 0;
}
