/*
 * log.c: a line is built in a bounded buffer on the stack and leaves in one write(2), so that lines
 * of many processes never mix and a full disk or a dead reader costs a line and nothing else. Text
 * is escaped as if an enemy had chosen it, because often one did: quotes, controls of both ASCII
 * and Unicode, and whatever is not UTF-8 (as U+FFFD). A line that does not fit ends early, still
 * as valid JSON, with "truncated":true.
 */
#include "base/log.h"
#include "base/base.h"
#include "base/timestamp.h"

#include <fcntl.h>

enum {
    LINE_MAX_BYTES = 4096,
    LINE_END = 24, /* kept free for `,"truncated":true}` and the newline */
};

struct line {
    char bytes[LINE_MAX_BYTES];
    size_t length;
    bool truncated;
};

static struct {
    int fd;
    char *file; /* NULL: standard error */
    const char *pool;
    enum log_level threshold;
} log_state = {.fd = STDERR_FILENO, .pool = "", .threshold = LEVEL_INFO};

/*
 * All of `bytes` or, when that would eat into the end, nothing more of the line. A string that fits
 * exactly has its closing quote in the end already.
 */
static bool put(struct line *line, const char *bytes, size_t length)
{
    if (line->truncated || line->length + length > LINE_MAX_BYTES - LINE_END) {
        line->truncated = true;
        return false;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    return true;
}

static bool put_text(struct line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/*
 * The length of the UTF-8 sequence at `text` (NUL-terminated), 0 when it is not one: overlong
 * forms, surrogates and what lies beyond U+10FFFF are not.
 */
static size_t sequence_length(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    size_t length;

    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        length = 2;
    else if (first >= 0xe0 && first <= 0xef)
        length = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        length = 4;
    else
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static bool put_escape(struct line *line, unsigned code)
{
    char escape[8];

    return put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff));
}

/* One character and how many bytes of `text` it took; 0 when the line is full. */
static size_t put_character(struct line *line, const unsigned char *text)
{
    size_t length = sequence_length(text);
    bool done;

    if (length == 0)
        return put_escape(line, 0xfffd) ? 1 : 0;
    if (text[0] == '"' || text[0] == '\\')
        done = put(line, (const char[]){'\\', (char)text[0]}, 2);
    else if (text[0] < 0x20 || text[0] == 0x7f)
        done = put_escape(line, text[0]);
    else if (text[0] == 0xc2 && text[1] < 0xa0)
        done = put_escape(line, text[1]); /* C1 controls move a terminal's cursor too */
    else
        done = put(line, (const char *)text, length);
    return done ? length : 0;
}

/* A JSON string. Cut in the middle it is still closed: LINE_END has room for the quote. */
static void put_string(struct line *line, const char *string)
{
    const unsigned char *text = (const unsigned char *)string;
    size_t taken;

    if (!put_text(line, "\""))
        return;
    while (*text != '\0' && (taken = put_character(line, text)) > 0)
        text += taken;
    line->bytes[line->length++] = '"';
}

static void put_number(struct line *line, int64_t number)
{
    char digits[24];

    put(line, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, number));
}

static void put_value(struct line *line, const struct log_field *field)
{
    if (field->type == LOG_NUMBER)
        put_number(line, field->number);
    else if (field->type == LOG_BOOL)
        put_text(line, field->number != 0 ? "true" : "false");
    else if (field->string == NULL)
        put_text(line, "null");
    else
        put_string(line, field->string);
}

/* `,"key":value`, or nothing of it when not even the key and a few bytes more fit. */
static void put_field(struct line *line, const struct log_field *field)
{
    enum { VALUE_ROOM = 24 };
    size_t start = line->length;

    if (line->truncated)
        return;
    put_text(line, ",");
    put_string(line, field->key);
    put_text(line, ":");
    if (line->truncated || LINE_MAX_BYTES - LINE_END - line->length < VALUE_ROOM) {
        line->length = start;
        line->truncated = true;
        return;
    }
    put_value(line, field);
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    return names[MIN((unsigned)level, countof(names) - 1)];
}

static void start_line(struct line *line, enum log_level level, const char *event)
{
    char now[TIMESTAMP_SIZE];

    line->length = 0;
    line->truncated = false;
    timestamp_format(timestamp_now(), now);
    put_text(line, "{\"time\":\"");
    put_text(line, now);
    put_text(line, "\"");
    put_field(line, &log_str("level", level_name(level)));
    put_field(line, &log_str("pool", log_state.pool));
    put_field(line, &log_int("pid", getpid()));
    put_field(line, &log_str("event", event));
}

static void end_line(struct line *line)
{
    static const char mark[] = ",\"truncated\":true";

    if (line->truncated) {
        memcpy(line->bytes + line->length, mark, sizeof mark - 1);
        line->length += sizeof mark - 1;
    }
    line->bytes[line->length++] = '}';
    line->bytes[line->length++] = '\n';
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    int saved = errno;
    struct line line;

    if (level < log_state.threshold)
        return;
    start_line(&line, level, event);
    for (; fields->key != NULL; fields++)
        if (fields->key[0] != '\0')
            put_field(&line, fields);
    end_line(&line);
    while (write(log_state.fd, line.bytes, line.length) < 0 && errno == EINTR)
        ;
    errno = saved;
}

static int open_file(const char *file)
{
    return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

int log_open(const char *file)
{
    int fd = STDERR_FILENO;
    char *copy = NULL;

    if (file != NULL && file[0] != '\0') {
        fd = open_file(file);
        if (fd < 0)
            return -1;
        copy = strdup(file);
        if (copy == NULL)
            base_out_of_memory();
    }
    if (log_state.file != NULL)
        close(log_state.fd);
    free(log_state.file);
    log_state.fd = fd;
    log_state.file = copy;
    return 0;
}

int log_reopen(void)
{
    int fd;

    if (log_state.file == NULL)
        return 0;
    fd = open_file(log_state.file);
    if (fd < 0)
        return -1;
    close(log_state.fd);
    log_state.fd = fd;
    return 0;
}

void log_pool(const char *pool)
{
    log_state.pool = pool;
}

void log_threshold(enum log_level level)
{
    log_state.threshold = level;
}
