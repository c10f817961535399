/*
 * config.c: one table of options (config_options.c); parsing, messages, the dump of -T, the reload
 * and the documentation test all read its rows and nothing else. The ini parser
 * (libinih) is fenced in here. It neither says line numbers nor minds an overlong or indented line,
 * so it is fed line by line by a reader of our own that does.
 */
#include "base/config.h"
#include "base/base.h"
#include "base/arena.h"
#include "base/config_check.h"
#include "base/config_options.h"

#include <dirent.h>
#include <ini.h>
#include <sched.h>

/* What config_read gives away is the first member of this. */
struct owned {
    struct config config;
    struct arena *arena;
};

/* Where an option was set. */
struct origin {
    const char *path; /* NULL: nowhere */
    int line;
};

struct parse {
    struct owned *owned;
    const char *path; /* of the file that is being read */
    FILE *file;
    char *line; /* getline's */
    size_t line_size;
    int line_number;
    struct origin set_at[CONFIG_OPTIONS_MAX]; /* in the last file that has it */
    char *error;
    size_t error_size;
    int error_line; /* -1: no error */
};

/* --- messages --- */

/* The first error counts; false, so that it can be returned at once. */
static bool fail(struct parse *parse, int line, const char *format, ...) PRINTF_LIKE(3, 4);
static bool fail(struct parse *parse, int line, const char *format, ...)
{
    va_list values;
    int length;

    if (parse->error_line >= 0)
        return false;
    parse->error_line = line;
    length = line > 0 ? snprintf(parse->error, parse->error_size, "%s:%d: ", parse->path, line)
                      : snprintf(parse->error, parse->error_size, "%s: ", parse->path);
    if (length < 0 || (size_t)length >= parse->error_size)
        return false;
    va_start(values, format);
    vsnprintf(parse->error + length, parse->error_size - (size_t)length, format, values);
    va_end(values);
    return false;
}

static void join_words(const char *const *words, char *out, size_t size)
{
    size_t length = 0;

    for (; *words != NULL && length < size; words++)
        length += (size_t)snprintf(
            out + length, size - length, "%s%s", *words, words[1] == NULL ? "" : ", ");
}

/* What is allowed, in words: "0 to 256 processes". */
static const char *describe_range(const struct config_option *option, char *out, size_t size)
{
    char words[128];

    switch (option->type) {
    case CONFIG_WORD:
    case CONFIG_CHOICE:
        join_words(option->words, words, sizeof words);
        snprintf(out, size, "one of %s", words);
        break;
    case CONFIG_BOOL:
        snprintf(out, size, "on or off");
        break;
    case CONFIG_MODE:
        snprintf(out, size, "octal %04o to %04o", (unsigned)option->min, (unsigned)option->max);
        break;
    case CONFIG_INT:
    case CONFIG_INT64:
        snprintf(out, size, "%" PRId64 " to %" PRId64 "%s%s", option->min, option->max,
            option->unit[0] != '\0' ? " " : "", option->unit);
        break;
    case CONFIG_LISTEN:
        snprintf(out, size, "an absolute path, ADDRESS:PORT, systemd or fd:0");
        break;
    default:
        snprintf(out, size, "%s%" PRId64 " to %" PRId64 " characters",
            option->type == CONFIG_PATH     ? "an absolute path of "
            : option->type == CONFIG_SECRET ? "a path of "
                                            : "",
            option->min, option->max);
    }
    return out;
}

static bool fail_value(
    struct parse *parse, const struct config_option *option, const char *text, const char *what)
{
    char range[192];

    return fail(parse, parse->line_number, "%s.%s: \"%s\" %s; allowed: %s", option->section,
        option->name, text, what, describe_range(option, range, sizeof range));
}

/* --- values --- */

static bool parse_number(const char *text, int base, int64_t *number)
{
    char *end;

    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return false;
    errno = 0;
    *number = strtoll(text, &end, base);
    return errno == 0 && end != text && *end == '\0';
}

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    return -1;
}

/* Of the type that the row says: the table is trusted. */
static void *field(struct parse *parse, const struct config_option *option)
{
    return (char *)&parse->owned->config + option->offset;
}

static bool set_number(struct parse *parse, const struct config_option *option, const char *text)
{
    int64_t number;

    if (!parse_number(text, option->type == CONFIG_MODE ? 8 : 10, &number))
        return fail_value(parse, option, text,
            option->type == CONFIG_MODE ? "is not an octal number" : "is not a whole number");
    if (number < option->min || number > option->max)
        return fail_value(parse, option, text, "is out of range");
    if (option->type == CONFIG_INT64)
        *(int64_t *)field(parse, option) = number;
    else
        *(int *)field(parse, option) = (int)number;
    return true;
}

static bool set_word(struct parse *parse, const struct config_option *option, const char *text)
{
    int word = find_word(option->words, text);

    if (word < 0)
        return fail_value(parse, option, text, "is not known");
    if (option->type == CONFIG_CHOICE)
        *(int *)field(parse, option) = word;
    else
        *(const char **)field(parse, option) = option->words[word];
    return true;
}

static bool set_bool(struct parse *parse, const struct config_option *option, const char *text)
{
    static const char *const on[] = {"on", "yes", "true", "1", NULL};
    static const char *const off[] = {"off", "no", "false", "0", NULL};
    bool value = find_word(on, text) >= 0;

    if (!value && find_word(off, text) < 0)
        return fail_value(parse, option, text, "is not known");
    *(bool *)field(parse, option) = value;
    return true;
}

/* Whether `text` has the form of pool.listen; whether one can listen there is found out later. */
static bool is_listen(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;

    if (text[0] == '\0' || text[0] == '/' || strcmp(text, "systemd") == 0)
        return true;
    return colon != NULL && colon > text && parse_number(colon + 1, 10, &port) && port >= 0 &&
           port <= 65535;
}

static bool set_string(struct parse *parse, const struct config_option *option, const char *text)
{
    size_t length = strlen(text);

    if (length < (size_t)option->min || length > (size_t)option->max)
        return fail_value(
            parse, option, text, length == 0 ? "is empty" : "is too short or too long");
    if (option->type == CONFIG_PATH && length > 0 && text[0] != '/')
        return fail_value(parse, option, text, "is not an absolute path");
    if (option->type == CONFIG_LISTEN && !is_listen(text))
        return fail_value(parse, option, text, "is not an address");
    *(const char **)field(parse, option) = arena_copy(parse->owned->arena, text, length);
    return true;
}

static bool set_option(struct parse *parse, const struct config_option *option, const char *text)
{
    switch (option->type) {
    case CONFIG_WORD:
    case CONFIG_CHOICE:
        return set_word(parse, option, text);
    case CONFIG_BOOL:
        return set_bool(parse, option, text);
    case CONFIG_MODE:
    case CONFIG_INT:
    case CONFIG_INT64:
        return set_number(parse, option, text);
    default:
        return set_string(parse, option, text);
    }
}

/* Words without a default start empty, so that no string is ever NULL. */
static void set_default(struct parse *parse, const struct config_option *option)
{
    if (option->type == CONFIG_WORD && option->initial[0] == '\0')
        *(const char **)field(parse, option) = "";
    else if (!set_option(parse, option, option->initial))
        abort();
}

/* --- a file --- */

static bool known_section(const char *section)
{
    for (size_t i = 0; i < config_options_count; i++)
        if (strcmp(config_options[i].section, section) == 0)
            return true;
    return false;
}

/* libinih found `name = value`. 0 is its word for an error. */
static int on_pair(void *context, const char *section, const char *name, const char *value)
{
    struct parse *parse = context;

    if (parse->error_line >= 0)
        return 0;
    if (section[0] == '\0')
        return fail(parse, parse->line_number, "%s: stands before the first [section]", name);
    if (!known_section(section))
        return fail(parse, parse->line_number, "[%s]: there is no such section", section);
    for (size_t i = 0; i < config_options_count; i++) {
        const struct config_option *option = &config_options[i];

        if (strcmp(option->section, section) != 0 || strcmp(option->name, name) != 0)
            continue;
        if (parse->set_at[i].path == parse->path)
            return fail(parse, parse->line_number, "%s.%s: is given twice, first in line %d",
                section, name, parse->set_at[i].line);
        parse->set_at[i] = (struct origin){parse->path, parse->line_number};
        return set_option(parse, option, value);
    }
    return fail(parse, parse->line_number, "%s.%s: there is no such option", section, name);
}

static bool has_control(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            return true;
    return false;
}

/*
 * libinih asks for the next line. Blanks around it go, because an indented line would be taken for
 * the continuation of the one before; comments become empty, so that they may be of any length. An
 * error ends the file early.
 */
static char *next_line(char *out, int size, void *context)
{
    struct parse *parse = context;
    ssize_t length = getline(&parse->line, &parse->line_size, parse->file);
    char *line = parse->line;

    if (length < 0)
        return NULL;
    parse->line_number++;
    if (parse->line_number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        line += 3, length -= 3;
    while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL && line[length - 1] != '\0')
        length--;
    while (length > 0 && (*line == ' ' || *line == '\t'))
        line++, length--;
    if (length > 0 && (*line == ';' || *line == '#'))
        length = 0;
    for (ssize_t i = 0; i < length; i++)
        if (line[i] == '\t')
            line[i] = ' ';
    if (has_control(line, (size_t)length))
        fail(parse, parse->line_number, "the line contains a control character");
    else if (length > size - 2)
        fail(parse, parse->line_number, "the line is longer than %d bytes", size - 2);
    if (parse->error_line >= 0)
        return NULL;
    memcpy(out, line, (size_t)length);
    memcpy(out + length, "\n", 2);
    return out;
}

/* Borrows the path for as long as origins are asked for. */
static bool parse_file(struct parse *parse, const char *path)
{
    int result;

    parse->path = path;
    parse->line_number = 0;
    parse->file = fopen(path, "re");
    if (parse->file == NULL)
        return fail(parse, 0, "%s", strerror(errno));
    result = ini_parse_stream(next_line, parse, on_pair, parse);
    if (parse->error_line < 0 && ferror(parse->file))
        fail(parse, 0, "%s", strerror(errno));
    fclose(parse->file);
    free(parse->line);
    parse->line = NULL;
    parse->line_size = 0;
    if (parse->error_line > 0 && result > 0 && result < parse->error_line)
        parse->error_line = -1; /* libinih met bad syntax before */
    if (parse->error_line < 0 && result != 0)
        fail(parse, MAX(result, 0), "is neither [section] nor option = value");
    return parse->error_line < 0;
}

/* --- the files beside it: FILE.d/NAME.conf, in the order of their names --- */

static int is_part(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the arena, as origins name it. */
static const char *part_path(const struct parse *parse, const char *directory, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);

    return arena_copy(parse->owned->arena, path, MIN((size_t)MAX(length, 0), sizeof path - 1));
}

static bool parse_parts(struct parse *parse)
{
    char directory[PATH_MAX];
    struct dirent **entries;
    int count;

    if (snprintf(directory, sizeof directory, "%s.d", parse->path) >= (int)sizeof directory)
        return fail(parse, 0, "the path is too long");
    count = scandir(directory, &entries, is_part, by_name);
    if (count < 0)
        return errno == ENOENT ? true : fail(parse, 0, "%s: %s", directory, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (parse->error_line < 0)
            parse_file(parse, part_path(parse, directory, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return parse->error_line < 0;
}

/* --- exported --- */

static struct origin origin_of(const struct parse *parse, size_t offset)
{
    for (size_t i = 0; i < config_options_count; i++)
        if (config_options[i].offset == offset)
            return parse->set_at[i];
    return (struct origin){NULL, 0};
}

static bool check_rules(struct parse *parse)
{
    struct origin origin;
    size_t fault[2];
    char problem[256];

    if (config_check(&parse->owned->config, fault, problem, sizeof problem))
        return true;
    origin = origin_of(parse, fault[0]);
    if (origin.path == NULL)
        origin = origin_of(parse, fault[1]);
    parse->path = origin.path == NULL ? parse->owned->config.path : origin.path;
    return fail(parse, origin.line, "%s", problem);
}

static int available_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return (int)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    return MAX(CPU_COUNT(&set), 1);
}

static struct owned *owned_new(const char *path)
{
    struct arena *arena = arena_new(4096);
    struct owned *owned = arena_zalloc(arena, sizeof *owned);

    owned->arena = arena;
    owned->config.path = arena_string(arena, path);
    return owned;
}

struct config *config_read(const char *path, char *error, size_t size)
{
    struct parse parse = {
        .owned = owned_new(path), .error = error, .error_size = size, .error_line = -1};
    struct config *config = &parse.owned->config;

    for (size_t i = 0; i < config_options_count; i++)
        set_default(&parse, &config_options[i]);
    if (parse_file(&parse, config->path) && parse_parts(&parse) && check_rules(&parse)) {
        if (config->pool.workers == 0)
            config->pool.workers = MIN(available_processors(), 256);
        if (config->password.hash_slots == 0)
            config->password.hash_slots = MIN(MAX(available_processors() / 2, 1), 256);
        return config;
    }
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (config != NULL)
        arena_free(container_of(config, struct owned, config)->arena);
}

/* The value as it would stand in the file. */
static const char *print_value(
    const struct config *config, const struct config_option *option, char *out, size_t size)
{
    const void *value = (const char *)config + option->offset;

    switch (option->type) {
    case CONFIG_CHOICE:
        return option->words[*(const int *)value];
    case CONFIG_BOOL:
        return *(const bool *)value ? "on" : "off";
    case CONFIG_MODE:
        snprintf(out, size, "%04o", (unsigned)*(const int *)value);
        return out;
    case CONFIG_INT:
        snprintf(out, size, "%d", *(const int *)value);
        return out;
    case CONFIG_INT64:
        snprintf(out, size, "%" PRId64, *(const int64_t *)value);
        return out;
    default:
        return *(const char *const *)value;
    }
}

void config_dump(const struct config *config, FILE *out)
{
    const char *section = "";
    char range[192], value[32];

    for (size_t i = 0; i < config_options_count; i++) {
        const struct config_option *option = &config_options[i];

        if (strcmp(section, option->section) != 0)
            fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", option->section);
        section = option->section;
        fprintf(out, "; %s (%s, default %s, needs %s)\n", option->help,
            describe_range(option, range, sizeof range),
            option->initial[0] != '\0' ? option->initial : "empty",
            option->reloadable ? "reload" : "restart");
        fprintf(out, "%s = %s\n", option->name, print_value(config, option, value, sizeof value));
    }
}

size_t config_keep_fixed(struct config *config, const struct config *old, char *names, size_t size)
{
    struct parse parse = {.owned = container_of(config, struct owned, config), .error_line = -1};
    size_t kept = 0, length = 0;
    char before[32], after[32];

    names[0] = '\0';
    for (size_t i = 0; i < config_options_count; i++) {
        const struct config_option *option = &config_options[i];
        const char *value = print_value(old, option, before, sizeof before);

        if (option->reloadable ||
            strcmp(value, print_value(config, option, after, sizeof after)) == 0)
            continue;
        if (!set_option(&parse, option, value))
            abort();
        if (length < size)
            length += (size_t)snprintf(names + length, size - length, "%s%s.%s",
                kept > 0 ? ", " : "", option->section, option->name);
        kept++;
    }
    return kept;
}
