/*
 * blocklist.c: bisection over bytes, not over lines, as nobody has counted those: the line around
 * the middle byte is compared, and the half it ends is dropped. So each comparison at least halves
 * what is left, whatever the lengths of the lines. The ends of a line are looked for within a limit
 * only, so that a file without line ends costs no more than one with them.
 */
#include "auth/blocklist.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    HASH_DIGITS = 40,
    SAMPLES = 4096,
    WHOLE_MAX = 16 * 1024 * 1024, /* a file up to this size is checked line by line */
};

struct blocklist {
    enum blocklist_kind kind;
    int fd; /* kept, to see that the file is still what was mapped */
    struct stat status;
    const char *data;
    size_t size;
    uint64_t seen;
};

/* Bytes of the file: the text of a line, and where the next one starts. */
struct line {
    const char *text;
    size_t length;
    size_t start, next;
};

/* The line that the byte `at` belongs to. False when it has no end within the limit. */
static bool line_around(const struct blocklist *list, size_t at, struct line *line)
{
    size_t back = MIN(at, (size_t)BLOCKLIST_LINE_MAX + 2);
    size_t ahead = MIN(list->size - at, (size_t)BLOCKLIST_LINE_MAX + 2);
    const char *before = memrchr(list->data + at - back, '\n', back);
    const char *end = memchr(list->data + at, '\n', ahead);

    if ((before == NULL && back < at) || (end == NULL && ahead < list->size - at))
        return false;
    line->start = before == NULL ? 0 : (size_t)(before - list->data) + 1;
    line->text = list->data + line->start;
    line->next = end == NULL ? list->size : (size_t)(end - list->data) + 1;
    line->length = line->next - line->start - (end == NULL ? 0 : 1);
    if (line->length > 0 && line->text[line->length - 1] == '\r')
        line->length--;
    return line->length <= BLOCKLIST_LINE_MAX;
}

static bool hash_line(const struct line *line)
{
    for (size_t i = 0; i < HASH_DIGITS; i++)
        if (i >= line->length || !isxdigit((unsigned char)line->text[i]))
            return false;
    return line->length == HASH_DIGITS || line->text[HASH_DIGITS] == ':';
}

static bool word_line(const struct line *line)
{
    for (size_t i = 0; i < line->length; i++)
        if (line->text[i] >= 'A' && line->text[i] <= 'Z')
            return false;
    return line->length > 0;
}

static bool well_formed(const struct blocklist *list, const struct line *line)
{
    return list->kind == BLOCKLIST_SHA1 ? hash_line(line) : word_line(line);
}

/* As memcmp, of a key and a well-formed line. */
static int compare(
    enum blocklist_kind kind, const char *key, size_t length, const char *text, size_t text_length)
{
    int order;

    if (kind == BLOCKLIST_SHA1)
        return strncasecmp(key, text, HASH_DIGITS);
    order = memcmp(key, text, MIN(length, text_length));
    return order != 0 ? order : (length > text_length) - (length < text_length);
}

/* --- opening --- */

PRINTF_LIKE(4, 5)
static bool refuse(char *error, size_t size, const char *path, const char *format, ...)
{
    int length = snprintf(error, size, "%s: ", path);
    va_list values;

    if (length < 0 || (size_t)length >= size)
        return false;
    va_start(values, format);
    vsnprintf(error + length, size - (size_t)length, format, values);
    va_end(values);
    return false;
}

static bool check_file(const struct stat *status, const char *path, char *error, size_t size)
{
    if (!S_ISREG(status->st_mode))
        return refuse(error, size, path, "is not a regular file");
    if ((status->st_mode & 022) != 0)
        return refuse(error, size, path,
            "may be written by group or others, who could empty it (chmod go-w)");
    if (status->st_size == 0)
        return refuse(error, size, path, "is empty");
    return true;
}

static bool check_line(const struct blocklist *list, const struct line *line,
    const struct line *before, const char *path, char *error, size_t size)
{
    if (!well_formed(list, line))
        return refuse(error, size, path,
            list->kind == BLOCKLIST_SHA1
                ? "byte %zu: is not a line of 40 hex digits, or of these, a colon and a count"
                : "byte %zu: is an empty line, or one with upper-case letters",
            line->start);
    if (before->text != NULL &&
        compare(list->kind, before->text, before->length, line->text, line->length) > 0)
        return refuse(error, size, path, "byte %zu: is not in order (LC_ALL=C sort)", line->start);
    return true;
}

/* Every line of a small file, some of a large one, its first and its last among them. */
static bool check_lines(const struct blocklist *list, const char *path, char *error, size_t size)
{
    size_t step = list->size <= WHOLE_MAX ? 0 : list->size / SAMPLES;
    struct line before = {0}, line = {0};

    for (size_t at = 0; at < list->size;) {
        if (!line_around(list, at, &line))
            return refuse(error, size, path, "byte %zu: the line is longer than %d bytes", at,
                BLOCKLIST_LINE_MAX);
        if (!check_line(list, &line, &before, path, error, size))
            return false;
        before = line;
        at = line.next + step;
        if (at >= list->size && line.next < list->size)
            at = list->size - 1;
    }
    return true;
}

static bool map_file(struct blocklist *list, const char *path, char *error, size_t size)
{
    void *data;

    list->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (list->fd == -1 || fstat(list->fd, &list->status) == -1)
        return refuse(error, size, path, "%s", strerror(errno));
    if (!check_file(&list->status, path, error, size))
        return false;
    data = mmap(NULL, (size_t)list->status.st_size, PROT_READ, MAP_SHARED, list->fd, 0);
    if (data == MAP_FAILED)
        return refuse(error, size, path, "%s", strerror(errno));
    list->data = data;
    list->size = (size_t)list->status.st_size;
    /* A search jumps about: what stands around the line it wants is of no use to it. */
    if (list->size > WHOLE_MAX)
        madvise(data, list->size, MADV_RANDOM);
    return true;
}

struct blocklist *blocklist_open(
    const char *path, enum blocklist_kind kind, char *error, size_t size)
{
    struct blocklist *list = calloc(1, sizeof *list);

    if (list == NULL)
        base_out_of_memory();
    list->kind = kind;
    if (map_file(list, path, error, size) && check_lines(list, path, error, size))
        return list;
    blocklist_free(list);
    return NULL;
}

void blocklist_free(struct blocklist *list)
{
    if (list == NULL)
        return;
    if (list->data != NULL)
        munmap((void *)(uintptr_t)list->data, list->size);
    if (list->fd != -1)
        close(list->fd);
    free(list);
}

/* --- searching --- */

/* Reading what was cut off would end the process. */
static bool changed_in_place(const struct blocklist *list)
{
    struct stat now;

    return fstat(list->fd, &now) == -1 || now.st_size != list->status.st_size ||
           now.st_mtim.tv_sec != list->status.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != list->status.st_mtim.tv_nsec;
}

enum blocklist_answer blocklist_find(struct blocklist *list, const char *key, size_t length)
{
    size_t low = 0, high = list->size;
    struct line line;

    if (changed_in_place(list))
        return BLOCKLIST_UNUSABLE;
    while (low < high) {
        int order;

        if (!line_around(list, low + (high - low) / 2, &line) || !well_formed(list, &line))
            return BLOCKLIST_UNUSABLE;
        list->seen++;
        order = compare(list->kind, key, length, line.text, line.length);
        if (order == 0)
            return BLOCKLIST_PRESENT;
        if (order < 0)
            high = line.start;
        else
            low = line.next;
    }
    return BLOCKLIST_ABSENT;
}

uint64_t blocklist_lines_seen(const struct blocklist *list)
{
    return list->seen;
}
