/*
 * config.c: one table of options. A row says where an option stands in the file, its type, default,
 * range, unit, whether a reload can change it, and what it is for; parsing, messages, the dump of
 * -T, the reload and the documentation test all read that row and nothing else. The ini parser
 * (libinih) is fenced in here. It neither says line numbers nor minds an overlong or indented line,
 * so it is fed line by line by a reader of our own that does.
 */
#include "base/config.h"
#include "base/base.h"
#include "base/arena.h"
#include "base/config_check.h"

#include <ini.h>
#include <sched.h>

enum type {
    TYPE_STRING, /* const char *; min and max are its length */
    TYPE_PATH,   /* the same; absolute */
    TYPE_SECRET, /* the same; absolute, or below $CREDENTIALS_DIRECTORY */
    TYPE_LISTEN, /* the same; where to listen */
    TYPE_WORD,   /* const char *; one of `words` */
    TYPE_CHOICE, /* int; the index in `words` */
    TYPE_BOOL,   /* bool */
    TYPE_MODE,   /* int; octal */
    TYPE_INT,    /* int */
    TYPE_INT64,  /* int64_t */
};

struct option {
    const char *section, *name;
    enum type type;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max;
    const char *unit;
    const char *const *words;
    bool reloadable;
    const char *help;
};

#define AT(member) offsetof(struct config, member)

enum { TEXT_MAX = 180, SOCKET_MAX = 107, HOURS_MS = 3600000, RELOAD = true, RESTART = false };

static const char *const pool_words[] = {"api", "auth", "ops", NULL};
static const char *const sslmode_words[] = {"disable", "require", "verify-ca", "verify-full", NULL};
/* In the order of enum log_level. */
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};

/* clang-format off */
static const struct option options[] = {
{"pool", "name", TYPE_WORD, AT(pool.name), "", 1, 0, "", pool_words, RESTART,
    "which pool this is: api serves pets, auth accounts; ops is for the tools"},
{"pool", "workers", TYPE_INT, AT(pool.workers), "0", 0, 256, "processes", NULL, RELOAD,
    "worker processes; 0: one for each processor this process may use"},
{"pool", "listen", TYPE_LISTEN, AT(pool.listen), "", 0, SOCKET_MAX, "", NULL, RESTART,
    "FastCGI socket; systemd: passed in LISTEN_FDS; fd:0: passed by spawn-fcgi"},
{"pool", "listen_mode", TYPE_MODE, AT(pool.listen_mode), "0660", 0600, 0666, "", NULL, RESTART,
    "mode of the socket when it is a path"},
{"pool", "listen_group", TYPE_STRING, AT(pool.listen_group), "", 0, 32, "", NULL, RESTART,
    "group of the socket when it is a path; empty: that of the process"},
{"pool", "ops_listen", TYPE_LISTEN, AT(pool.ops_listen), "", 0, SOCKET_MAX, "", NULL, RESTART,
    "FastCGI socket of the ops worker (/live /ready /status /metrics); empty: no ops worker"},
{"pool", "ops_listen_mode", TYPE_MODE, AT(pool.ops_listen_mode), "0660", 0600, 0666, "", NULL, RESTART,
    "mode of that socket"},
{"pool", "ops_listen_group", TYPE_STRING, AT(pool.ops_listen_group), "", 0, 32, "", NULL, RESTART,
    "group of that socket"},
{"pool", "backlog", TYPE_INT, AT(pool.backlog), "511", 1, 65535, "connections", NULL, RESTART,
    "connections waiting to be accepted; beyond it nginx answers 502 at once"},
{"pool", "max_connections", TYPE_INT, AT(pool.max_connections), "512", 1, 65535, "connections", NULL, RELOAD,
    "connections of the web server that a worker keeps"},
{"pool", "max_requests", TYPE_INT64, AT(pool.max_requests), "0", 0, INT64_C(1000000000000), "requests", NULL, RELOAD,
    "a worker is replaced after so many, or up to a quarter more; 0: never"},
{"pool", "request_timeout_ms", TYPE_INT, AT(pool.request_timeout_ms), "10000", 10, HOURS_MS, "ms", NULL, RELOAD,
    "a request that takes longer is answered with 504"},
{"pool", "slow_request_ms", TYPE_INT, AT(pool.slow_request_ms), "1000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "a request that takes longer is logged while it runs; 0: never"},
{"pool", "kill_timeout_ms", TYPE_INT, AT(pool.kill_timeout_ms), "30000", 100, HOURS_MS, "ms", NULL, RELOAD,
    "a worker that is stuck for so long is killed"},
{"pool", "queue_max", TYPE_INT, AT(pool.queue_max), "256", 1, 65535, "requests", NULL, RELOAD,
    "requests of a worker waiting for a database connection; more are answered with 503"},
{"pool", "queue_max_wait_ms", TYPE_INT, AT(pool.queue_max_wait_ms), "2000", 1, HOURS_MS, "ms", NULL, RELOAD,
    "a request that has waited for longer is answered with 503"},
{"pool", "io_timeout_ms", TYPE_INT, AT(pool.io_timeout_ms), "1000", 10, 60000, "ms", NULL, RELOAD,
    "how long the web server may hold up a worker in the middle of a request or an answer"},
{"pool", "drain_timeout_ms", TYPE_INT, AT(pool.drain_timeout_ms), "30000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "how long a leaving worker serves its kept connections before it gets TERM"},
{"pool", "term_timeout_ms", TYPE_INT, AT(pool.term_timeout_ms), "5000", 0, HOURS_MS, "ms", NULL, RELOAD,
    "how long after TERM it gets KILL"},
{"pool", "start_timeout_ms", TYPE_INT, AT(pool.start_timeout_ms), "10000", 10, HOURS_MS, "ms", NULL, RELOAD,
    "how long a new worker may take to be ready"},

{"database", "host", TYPE_STRING, AT(database.host), "/run/postgresql", 1, TEXT_MAX, "", NULL, RELOAD,
    "the directory of PostgreSQL's Unix socket, or host names separated by commas"},
{"database", "port", TYPE_INT, AT(database.port), "5432", 1, 65535, "", NULL, RELOAD,
    "port of the server, also in the name of its Unix socket"},
{"database", "name", TYPE_STRING, AT(database.name), "pets", 1, 63, "", NULL, RELOAD,
    "name of the database"},
{"database", "user", TYPE_STRING, AT(database.user), "", 0, 63, "", NULL, RELOAD,
    "role to log in as; empty: the name of the system user"},
{"database", "password_file", TYPE_SECRET, AT(database.password_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the password of the role; empty: none (peer authentication)"},
{"database", "sslmode", TYPE_WORD, AT(database.sslmode), "verify-full", 0, 0, "", sslmode_words, RELOAD,
    "how a connection is secured: verify-full by TCP; a Unix socket needs no TLS"},
{"database", "sslrootcert", TYPE_PATH, AT(database.sslrootcert), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the certificates of the authorities to trust; empty: libpq's default"},
{"database", "connections", TYPE_INT, AT(database.connections), "4", 1, 64, "connections", NULL, RELOAD,
    "connections of each worker to the database"},
{"database", "connect_timeout_ms", TYPE_INT, AT(database.connect_timeout_ms), "3000", 10, 60000, "ms", NULL, RELOAD,
    "how long a connection may take to be ready"},
{"database", "statement_timeout_ms", TYPE_INT, AT(database.statement_timeout_ms), "5000", 1, HOURS_MS, "ms", NULL, RELOAD,
    "PostgreSQL cancels a statement that takes longer"},
{"database", "reconnect_max_ms", TYPE_INT, AT(database.reconnect_max_ms), "5000", 10, 600000, "ms", NULL, RELOAD,
    "longest pause between two attempts to connect"},

{"token", "issuer", TYPE_STRING, AT(token.issuer), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "issuer of access tokens: the address of the service"},
{"token", "audience", TYPE_STRING, AT(token.audience), "pets-api", 1, TEXT_MAX, "", NULL, RELOAD,
    "audience of access tokens"},
{"token", "lifetime_s", TYPE_INT, AT(token.lifetime_s), "600", 10, 86400, "s", NULL, RELOAD,
    "how long an access token is valid"},
{"token", "leeway_s", TYPE_INT, AT(token.leeway_s), "5", 0, 300, "s", NULL, RELOAD,
    "difference of clocks that is tolerated"},
{"token", "signing_key_file", TYPE_SECRET, AT(token.signing_key_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "private key that signs access tokens (KID.pem); pool auth only"},
{"token", "public_keys_dir", TYPE_PATH, AT(token.public_keys_dir), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "directory of the public keys (KID.pub.pem) that access tokens are verified with"},

{"password", "bcrypt_cost", TYPE_INT, AT(password.bcrypt_cost), "12", 10, 15, "", NULL, RELOAD,
    "cost of hashing a password: one more doubles the time"},
{"password", "pepper_file", TYPE_SECRET, AT(password.pepper_file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file with the pepper of password hashes; pool auth and tools only"},
{"password", "hash_queue", TYPE_INT, AT(password.hash_queue), "16", 1, 1024, "passwords", NULL, RELOAD,
    "passwords of a worker waiting to be hashed; more are refused"},
{"password", "hash_slots", TYPE_INT, AT(password.hash_slots), "0", 0, 256, "passwords", NULL, RELOAD,
    "hashed at once over all workers; 0: half as many as this process may use processors"},

{"http", "max_body_bytes", TYPE_INT, AT(http.max_body_bytes), "65536", 1024, 16777216, "bytes", NULL, RELOAD,
    "a larger body is answered with 413"},

{"log", "file", TYPE_PATH, AT(log.file), "", 0, TEXT_MAX, "", NULL, RELOAD,
    "file that log lines are appended to; empty: standard error"},
{"log", "level", TYPE_CHOICE, AT(log.level), "info", 0, 0, "", level_words, RELOAD,
    "the least important events that are logged"},
{"log", "access", TYPE_BOOL, AT(log.access), "off", 0, 0, "", NULL, RELOAD,
    "whether every request is logged here too (nginx has its own access log)"},
};
/* clang-format on */

/* What config_read gives away is the first member of this. */
struct owned {
    struct config config;
    struct arena *arena;
};

struct parse {
    struct owned *owned;
    FILE *file;
    char *line; /* getline's */
    size_t line_size;
    int line_number;
    int set_at[countof(options)]; /* the line of each option; 0: not in the file */
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
    length =
        line > 0
            ? snprintf(parse->error, parse->error_size, "%s:%d: ", parse->owned->config.path, line)
            : snprintf(parse->error, parse->error_size, "%s: ", parse->owned->config.path);
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
static const char *describe_range(const struct option *option, char *out, size_t size)
{
    char words[128];

    switch (option->type) {
    case TYPE_WORD:
    case TYPE_CHOICE:
        join_words(option->words, words, sizeof words);
        snprintf(out, size, "one of %s", words);
        break;
    case TYPE_BOOL:
        snprintf(out, size, "on or off");
        break;
    case TYPE_MODE:
        snprintf(out, size, "octal %04o to %04o", (unsigned)option->min, (unsigned)option->max);
        break;
    case TYPE_INT:
    case TYPE_INT64:
        snprintf(out, size, "%" PRId64 " to %" PRId64 "%s%s", option->min, option->max,
            option->unit[0] != '\0' ? " " : "", option->unit);
        break;
    case TYPE_LISTEN:
        snprintf(out, size, "an absolute path, ADDRESS:PORT, systemd or fd:0");
        break;
    default:
        snprintf(out, size, "%s%" PRId64 " to %" PRId64 " characters",
            option->type == TYPE_PATH     ? "an absolute path of "
            : option->type == TYPE_SECRET ? "a path of "
                                          : "",
            option->min, option->max);
    }
    return out;
}

static bool fail_value(
    struct parse *parse, const struct option *option, const char *text, const char *what)
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
static void *field(struct parse *parse, const struct option *option)
{
    return (char *)&parse->owned->config + option->offset;
}

static bool set_number(struct parse *parse, const struct option *option, const char *text)
{
    int64_t number;

    if (!parse_number(text, option->type == TYPE_MODE ? 8 : 10, &number))
        return fail_value(parse, option, text,
            option->type == TYPE_MODE ? "is not an octal number" : "is not a whole number");
    if (number < option->min || number > option->max)
        return fail_value(parse, option, text, "is out of range");
    if (option->type == TYPE_INT64)
        *(int64_t *)field(parse, option) = number;
    else
        *(int *)field(parse, option) = (int)number;
    return true;
}

static bool set_word(struct parse *parse, const struct option *option, const char *text)
{
    int word = find_word(option->words, text);

    if (word < 0)
        return fail_value(parse, option, text, "is not known");
    if (option->type == TYPE_CHOICE)
        *(int *)field(parse, option) = word;
    else
        *(const char **)field(parse, option) = option->words[word];
    return true;
}

static bool set_bool(struct parse *parse, const struct option *option, const char *text)
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

static bool set_string(struct parse *parse, const struct option *option, const char *text)
{
    size_t length = strlen(text);

    if (length < (size_t)option->min || length > (size_t)option->max)
        return fail_value(
            parse, option, text, length == 0 ? "is empty" : "is too short or too long");
    if (option->type == TYPE_PATH && length > 0 && text[0] != '/')
        return fail_value(parse, option, text, "is not an absolute path");
    if (option->type == TYPE_LISTEN && !is_listen(text))
        return fail_value(parse, option, text, "is not an address");
    *(const char **)field(parse, option) = arena_copy(parse->owned->arena, text, length);
    return true;
}

static bool set_option(struct parse *parse, const struct option *option, const char *text)
{
    switch (option->type) {
    case TYPE_WORD:
    case TYPE_CHOICE:
        return set_word(parse, option, text);
    case TYPE_BOOL:
        return set_bool(parse, option, text);
    case TYPE_MODE:
    case TYPE_INT:
    case TYPE_INT64:
        return set_number(parse, option, text);
    default:
        return set_string(parse, option, text);
    }
}

/* Words without a default start empty, so that no string is ever NULL. */
static void set_default(struct parse *parse, const struct option *option)
{
    if (option->type == TYPE_WORD && option->initial[0] == '\0')
        *(const char **)field(parse, option) = "";
    else if (!set_option(parse, option, option->initial))
        abort();
}

/* --- the file --- */

static bool known_section(const char *section)
{
    for (size_t i = 0; i < countof(options); i++)
        if (strcmp(options[i].section, section) == 0)
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
    for (size_t i = 0; i < countof(options); i++) {
        const struct option *option = &options[i];

        if (strcmp(option->section, section) != 0 || strcmp(option->name, name) != 0)
            continue;
        if (parse->set_at[i] != 0)
            return fail(parse, parse->line_number, "%s.%s: is given twice, first in line %d",
                section, name, parse->set_at[i]);
        parse->set_at[i] = parse->line_number;
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

static bool parse_file(struct parse *parse)
{
    int result;

    parse->file = fopen(parse->owned->config.path, "re");
    if (parse->file == NULL)
        return fail(parse, 0, "%s", strerror(errno));
    result = ini_parse_stream(next_line, parse, on_pair, parse);
    if (parse->error_line < 0 && ferror(parse->file))
        fail(parse, 0, "%s", strerror(errno));
    fclose(parse->file);
    free(parse->line);
    if (parse->error_line > 0 && result > 0 && result < parse->error_line)
        parse->error_line = -1; /* libinih met bad syntax before */
    if (parse->error_line < 0 && result != 0)
        fail(parse, MAX(result, 0), "is neither [section] nor option = value");
    return parse->error_line < 0;
}

/* --- exported --- */

static int line_of(const struct parse *parse, size_t offset)
{
    for (size_t i = 0; i < countof(options); i++)
        if (options[i].offset == offset)
            return parse->set_at[i];
    return 0;
}

static bool check_rules(struct parse *parse)
{
    size_t fault[2];
    char problem[256];
    int line;

    if (config_check(&parse->owned->config, fault, problem, sizeof problem))
        return true;
    line = line_of(parse, fault[0]);
    return fail(parse, line > 0 ? line : line_of(parse, fault[1]), "%s", problem);
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

    for (size_t i = 0; i < countof(options); i++)
        set_default(&parse, &options[i]);
    if (parse_file(&parse) && check_rules(&parse)) {
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
    const struct config *config, const struct option *option, char *out, size_t size)
{
    const void *value = (const char *)config + option->offset;

    switch (option->type) {
    case TYPE_CHOICE:
        return option->words[*(const int *)value];
    case TYPE_BOOL:
        return *(const bool *)value ? "on" : "off";
    case TYPE_MODE:
        snprintf(out, size, "%04o", (unsigned)*(const int *)value);
        return out;
    case TYPE_INT:
        snprintf(out, size, "%d", *(const int *)value);
        return out;
    case TYPE_INT64:
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

    for (size_t i = 0; i < countof(options); i++) {
        const struct option *option = &options[i];

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
    for (size_t i = 0; i < countof(options); i++) {
        const struct option *option = &options[i];
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
