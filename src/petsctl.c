/*
 * petsctl.c: the operator's tool: a table of verbs and one function each. It makes secrets and the
 * first administrator; it prints what it did on standard output, complaints on standard error, and
 * never a secret on either. Passwords come from the terminal or from standard input, not from the
 * command line, which everybody on the machine can read.
 */
#include "config.h"

#include "auth/generate.h"
#include "base/base.h"

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
