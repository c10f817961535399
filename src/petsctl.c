/*
 * petsctl.c: the operator's tool: a table of verbs and one function each. It makes secrets and the
 * first administrator; it prints what it did on standard output, complaints on standard error, and
 * never a secret on either. Passwords come from the terminal or from standard input, not from the
 * command line, which everybody on the machine can read.
 */
#include "config.h"

#include "auth/email.h"
#include "auth/generate.h"
#include "auth/password.h"
#include "base/config.h"
#include "base/log.h"
#include "db/db.h"
#include "http/utf8.h"

#include <pwd.h>
#include <termios.h>

enum { NAME_CHARACTERS = 80 };

enum exit_code { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct options {
    const char *config; /* -c FILE; NULL: not given */
    int count;          /* what follows the verb */
    char **arguments;
};

/* Says what went wrong, after the tool's name. */
PRINTF_LIKE(1, 2) static enum exit_code complain(const char *format, ...)
{
    va_list values;

    fputs("petsctl: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    return EXIT_BAD;
}

/* The same for a wrong command line. */
PRINTF_LIKE(1, 2) static enum exit_code misuse(const char *format, ...)
{
    va_list values;

    fputs("petsctl: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputs("\nTry: petsctl --help\n", stderr);
    return EXIT_USAGE;
}

/* --- key new, pepper new --- */

static enum exit_code key_new(const struct options *options)
{
    char kid[KEY_ID_LENGTH + 1];
    char error[512];

    if (options->count != 1)
        return misuse("key new takes one argument, the directory");
    if (generate_key(options->arguments[0], kid, error, sizeof error) == -1)
        return complain("%s", error);
    puts(kid);
    return EXIT_GOOD;
}

static enum exit_code pepper_new(const struct options *options)
{
    char error[512];

    if (options->count != 1)
        return misuse("pepper new takes one argument, the file");
    if (generate_pepper(options->arguments[0], error, sizeof error) == -1)
        return complain("%s", error);
    return EXIT_GOOD;
}

/* --- passwords --- */

struct password {
    size_t length;
    char bytes[PASSWORD_MAX + 1]; /* one more, to see that it is too long */
};

/*
 * A line, without its newline; what does not fit is dropped, and shows in the length. -1 with
 * errno, also when the character `cancel` comes.
 */
static int read_line(struct password *password, int cancel)
{
    unsigned char byte = 0;
    ssize_t got;

    password->length = 0;
    while ((got = read(STDIN_FILENO, &byte, 1)) != 0 && byte != '\n') {
        if (got == -1 && errno != EINTR)
            return -1;
        if (got == 1 && byte == cancel) {
            errno = ECANCELED;
            return -1;
        }
        if (got == 1 && password->length < sizeof password->bytes)
            password->bytes[password->length++] = (char)byte;
    }
    return 0;
}

/*
 * Without echo. Control-C is read as a character that ends the line, so that no signal can end the
 * program while the terminal is mute.
 */
static int read_mute(const char *prompt, struct password *password)
{
    struct termios before;
    struct termios mute;
    int saved;
    int result;

    if (tcgetattr(STDIN_FILENO, &before) == -1)
        return -1;
    mute = before;
    mute.c_lflag &= (tcflag_t) ~(ECHO | ISIG);
    mute.c_cc[VEOL] = before.c_cc[VINTR];
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute) == -1)
        return -1;
    fputs(prompt, stderr);
    result = read_line(password, before.c_cc[VINTR]);
    saved = errno;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    errno = saved;
    return result;
}

/* From the terminal, twice, or a line of standard input. */
static int read_password(struct password *password)
{
    struct password again;
    bool same;

    if (isatty(STDIN_FILENO) == 0)
        return read_line(password, -1);
    if (read_mute("Password: ", password) == -1 || read_mute("Once more: ", &again) == -1)
        return -1;
    same =
        again.length == password->length && memcmp(again.bytes, password->bytes, again.length) == 0;
    explicit_bzero(&again, sizeof again);
    errno = EINVAL;
    return same ? 0 : -1;
}

/* --- user add --- */

struct user {
    bool admin;
    const char *email;
    const char *name;
    char local[64 + 1]; /* of the address: the name, when none is given */
    char hash[PASSWORD_HASH_SIZE];
    const struct pepper *pepper;
};

/* What the callbacks share: the insertion, from the connection to its outcome. */
struct addition {
    const struct user *user;
    struct loop *loop;
    struct db *db;
    struct arena *arena;
    struct query query;
    struct uuid id;
    bool connected;
    enum err err;
};

static void added(struct query *query)
{
    struct addition *addition = query->owner;

    addition->err = query->err;
    loop_stop(addition->loop);
}

/* Who did it, for the audit trail. */
static const char *operator_name(void)
{
    const struct passwd *entry = getpwuid(getuid());

    return entry == NULL ? "unknown" : entry->pw_name;
}

static void insert(void *context)
{
    struct addition *addition = context;
    const struct user *user = addition->user;
    struct query *query = &addition->query;

    addition->connected = db_ready(addition->db) > 0;
    query_init(query, addition->arena, STATEMENT_ACCOUNT_ADD);
    query->owner = addition;
    query->done = added;
    uuid_v7(&addition->id);
    query_uuid(query, &addition->id);
    query_string(query, user->email);
    query_string(query, user->name);
    query_string(query, user->admin ? "ADMIN" : "USER");
    query_string(query, user->hash);
    query_string(query, pepper_id(user->pepper));
    query_string(query, operator_name());
    if (addition->connected)
        addition->err = db_submit(addition->db, query);
    if (!addition->connected || addition->err != ERR_NONE)
        loop_stop(addition->loop);
}

/* May be called before db_new has returned. */
static void settled(void *context)
{
    struct addition *addition = context;

    loop_later(addition->loop, insert, addition);
}

static enum exit_code report(const struct addition *addition)
{
    char id[UUID_SIZE];

    if (!addition->connected)
        return complain("database: %s", db_last_error(addition->db));
    if (addition->err == ERR_EMAIL_TAKEN)
        return complain("the e-mail address %s is taken", addition->user->email);
    if (addition->err != ERR_NONE)
        return complain("database: %s", err_info(addition->err)->title);
    uuid_format(&addition->id, id);
    puts(id);
    return EXIT_GOOD;
}

static enum exit_code add(const struct config *config, const struct user *user)
{
    struct addition addition = {.user = user, .loop = loop_new(), .arena = arena_new(4096)};
    struct db_options options = {.config = config,
        .connections = 1,
        .pools = STATEMENT_POOL_OPS,
        .settled = settled,
        .context = &addition};
    enum exit_code code;

    if (addition.loop == NULL) {
        code = complain("%s", strerror(errno));
    } else {
        addition.db = db_new(addition.loop, &options);
        code = loop_run(addition.loop) == -1 ? complain("%s", strerror(errno)) : report(&addition);
        db_free(addition.db);
        loop_free(addition.loop);
    }
    arena_free(addition.arena);
    return code;
}

/* Reads the password and replaces it by its hash. */
static enum exit_code make_hash(const struct config *config, struct user *user)
{
    struct password password;
    enum exit_code code = EXIT_GOOD;

    if (read_password(&password) == -1)
        code = complain(
            "%s", errno == EINVAL ? "the two passwords are not the same" : strerror(errno));
    else if (utf8_length(password.bytes, password.length) == -1)
        code = complain("the password is not UTF-8");
    else if (password_check(password.bytes, password.length) == PASSWORD_TOO_SHORT)
        code = complain("the password is too short: at least %d characters", PASSWORD_MIN);
    else if (password_check(password.bytes, password.length) == PASSWORD_TOO_LONG)
        code = complain("the password is too long: at most %d bytes", PASSWORD_MAX);
    else if (password_hash(user->pepper, password.bytes, password.length,
                 config->password.bcrypt_cost, user->hash) == -1)
        code = complain("the password cannot be hashed");
    explicit_bzero(&password, sizeof password);
    return code;
}

/* libpq listens to many variables; the configuration alone is to decide. */
static void forget_environment(void)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *kept = directory == NULL ? NULL : strdup(directory);

    clearenv();
    if (kept != NULL)
        setenv("CREDENTIALS_DIRECTORY", kept, 1);
    free(kept);
}

static enum exit_code configured(const char *path, struct user *user)
{
    const char *secret = config_secret_in_environment();
    char error[512];
    struct config *config;
    struct pepper *pepper;
    enum exit_code code;

    if (secret != NULL)
        return complain("%s: secrets are taken from files, not from the environment", secret);
    forget_environment();
    config = config_read(path, error, sizeof error);
    if (config == NULL)
        return complain("%s", error);
    log_threshold(LEVEL_ERROR);
    user->pepper = pepper = pepper_read(config->password.pepper_file, error, sizeof error);
    if (pepper == NULL)
        code = complain("%s", error);
    else if ((code = make_hash(config, user)) == EXIT_GOOD)
        code = add(config, user);
    pepper_free(pepper);
    config_free(config);
    return code;
}

static int parse_user(const struct options *options, struct user *user)
{
    for (int i = 0; i < options->count; i++) {
        const char *argument = options->arguments[i];
        bool more = i + 1 < options->count;

        if (strcmp(argument, "--admin") == 0)
            user->admin = true;
        else if (strcmp(argument, "--name") == 0 && more)
            user->name = options->arguments[++i];
        else if (strcmp(argument, "--email") == 0 && more && user->email == NULL)
            user->email = options->arguments[++i];
        else if (argument[0] != '-' && user->email == NULL)
            user->email = argument;
        else
            return -1;
    }
    return user->email == NULL ? -1 : 0;
}

static enum exit_code user_add(const struct options *options)
{
    struct user user = {0};
    ptrdiff_t characters;

    if (options->config == NULL)
        return misuse("user add needs a configuration: -c FILE");
    if (parse_user(options, &user) == -1)
        return misuse("user add takes [--admin] [--name NAME] and an e-mail address");
    if (!email_valid(user.email, strlen(user.email)))
        return misuse("this is not an e-mail address");
    if (user.name == NULL) {
        snprintf(user.local, sizeof user.local, "%.*s", (int)strcspn(user.email, "@"), user.email);
        user.name = user.local;
    }
    characters = utf8_length(user.name, strlen(user.name));
    if (characters < 1 || characters > NAME_CHARACTERS ||
        !utf8_printable(user.name, strlen(user.name), false))
        return misuse("the name must have 1 to %d printable characters", NAME_CHARACTERS);
    return configured(options->config, &user);
}

/* --- the command line --- */

static const struct verb {
    const char *object;
    const char *action;
    const char *arguments;
    const char *help;
    enum exit_code (*run)(const struct options *options);
} verbs[] = {
    {"key", "new", "DIR", "make a signing key, DIR/KID.pem and DIR/KID.pub.pem, and print its KID",
        key_new},
    {"pepper", "new", "FILE", "make a pepper for the password hashes", pepper_new},
    {"user", "add", "[--admin] [--name NAME] [--email] EMAIL",
        "add an account and print its id; the password is a line of standard input, or asked for",
        user_add},
};

static enum exit_code help(void)
{
    puts("Usage: petsctl [-c FILE] VERB [ARGUMENT...]\n\nVerbs:");
    for (size_t i = 0; i < countof(verbs); i++)
        printf("  %s %s %s\n      %s\n", verbs[i].object, verbs[i].action, verbs[i].arguments,
            verbs[i].help);
    puts("\nOptions:\n"
         "  -c FILE      the configuration, for verbs that use the database\n"
         "  -h, --help   this text\n"
         "  --version    the version\n\n"
         "Exit status: 0 done, 1 failed, 2 the command line is wrong.");
    return EXIT_GOOD;
}

static enum exit_code run(struct options *options)
{
    if (options->count < 2)
        return misuse("a verb of two words is needed");
    for (size_t i = 0; i < countof(verbs); i++) {
        if (strcmp(options->arguments[0], verbs[i].object) == 0 &&
            strcmp(options->arguments[1], verbs[i].action) == 0) {
            options->arguments += 2;
            options->count -= 2;
            return verbs[i].run(options);
        }
    }
    return misuse("there is no verb '%s %s'", options->arguments[0], options->arguments[1]);
}

int main(int argc, char **argv)
{
    struct options options = {.count = argc - 1, .arguments = argv + 1};
    enum exit_code code;

    if (options.count >= 2 && strcmp(options.arguments[0], "-c") == 0) {
        options.config = options.arguments[1];
        options.arguments += 2;
        options.count -= 2;
    }
    if (options.count == 1 && strcmp(options.arguments[0], "--version") == 0)
        code = puts("petsctl (pets-api) " PACKAGE_VERSION) == EOF ? EXIT_BAD : EXIT_GOOD;
    else if (options.count == 1 && (strcmp(options.arguments[0], "--help") == 0 ||
                                       strcmp(options.arguments[0], "-h") == 0))
        code = help();
    else
        code = run(&options);
    if (fflush(stdout) == EOF && code == EXIT_GOOD)
        return complain("standard output: %s", strerror(errno));
    return code;
}
