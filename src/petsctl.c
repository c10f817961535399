/*
 * petsctl.c: the operator's tool: a table of verbs, one function each, and a table of their
 * options. The command line, its help and its completion are made from the two. It prints what it
 * did on standard output, complaints on standard error, and never a secret on either, unless making
 * one known is what was asked for.
 */
#include "config.h"

#include "ctl/access.h"
#include "ctl/ctl.h"
#include "ctl/key.h"
#include "ctl/mail.h"
#include "ctl/secret.h"
#include "ctl/session.h"
#include "ctl/user.h"
#include "http/utf8.h"

static const struct option {
    const char *name;
    const char *value; /* what it takes; NULL: nothing */
    const char *help;
} options[CTL_OPTIONS] = {
    [CTL_ADMIN] = {"--admin", NULL, "of an administrator"},
    [CTL_NAME] = {"--name", "NAME", "the name to show"},
    [CTL_EMAIL] = {"--email", "EMAIL", "the e-mail address"},
    [CTL_REASON] = {"--reason", "TEXT", "why, for the audit trail"},
    [CTL_JSON] = {"--json", NULL, "print JSON, for programs"},
    [CTL_LIMIT] = {"--limit", "N", "at most so many (100)"},
    [CTL_BEFORE] = {"--before", "ID", "only older ones than this"},
    [CTL_ROLE] = {"--role", "ROLE", "only USER or ADMIN"},
    [CTL_STATE] = {"--state", "STATE", "only in this state, such as active or disabled"},
    [CTL_NOW] = {"--now", NULL, "also when it is too early"},
    [CTL_ADDRESS] = {"--address", "IP", "from this network, too"},
    [CTL_ALL] = {"--all", NULL, "those that are over, too"},
};

#define TAKES(option) CTL_TAKES(option)

static const struct verb {
    const char *object;
    const char *action;
    const char *arguments;
    int least, most; /* how many arguments */
    unsigned takes;  /* options */
    unsigned needs;  /* those of them that must be given */
    bool configured; /* needs -c FILE */
    enum ctl_exit (*run)(struct ctl *ctl);
    const char *help;
} verbs[] = {
    {"user", "add", "[--email] EMAIL", 0, 1,
        TAKES(EMAIL) | TAKES(ADMIN) | TAKES(NAME) | TAKES(REASON) | TAKES(JSON), 0, true, user_add,
        "add an account and print its id; the password is a line of standard input, or asked for"},
    {"user", "list", "[TEXT]", 0, 1,
        TAKES(LIMIT) | TAKES(BEFORE) | TAKES(ROLE) | TAKES(STATE) | TAKES(REASON) | TAKES(JSON), 0,
        true, user_list,
        "list accounts, newest first; with TEXT, those with it in e-mail address or name"},
    {"user", "show", "USER", 1, 1, TAKES(REASON) | TAKES(JSON), 0, true, user_show,
        "show an account"},
    {"user", "role", "USER ROLE", 2, 2, TAKES(REASON), TAKES(REASON), true, user_role,
        "make an account USER or ADMIN"},
    {"user", "disable", "USER", 1, 1, TAKES(REASON), TAKES(REASON), true, user_disable,
        "let an account log in no more, and end its sessions"},
    {"user", "enable", "USER", 1, 1, TAKES(REASON), TAKES(REASON), true, user_enable,
        "let it log in again"},
    {"user", "revoke", "USER", 1, 1, TAKES(REASON), TAKES(REASON), true, user_revoke,
        "end all sessions and API keys of an account"},
    {"user", "unlock", "USER", 1, 1, TAKES(REASON) | TAKES(ADDRESS), TAKES(REASON), true,
        access_unlock, "forget the failed logins of an account"},
    {"user", "reset-link", "USER", 1, 1, TAKES(REASON) | TAKES(JSON), TAKES(REASON), true,
        access_reset_link, "print a link by which its owner, once, chooses another password"},
    {"user", "reset-mfa", "USER", 1, 1, TAKES(REASON), TAKES(REASON), true, access_reset_mfa,
        "take the second factor of an account away, and end its sessions"},
    {"session", "list", "USER", 1, 1, TAKES(ALL) | TAKES(REASON) | TAKES(JSON), 0, true,
        session_list, "list the sessions of an account that are live, newest first"},
    {"session", "revoke", "SESSION", 1, 1, TAKES(REASON), TAKES(REASON), true, session_revoke,
        "end a session"},
    {"key", "new", "[DIR]", 0, 1, TAKES(REASON) | TAKES(JSON), 0, false, key_new,
        "make a signing key, publish its public half, and print its KID; the first one in DIR"},
    {"key", "list", "", 0, 0, TAKES(JSON), 0, true, key_list,
        "list the signing keys, and what can be done next with each"},
    {"key", "activate", "KID", 1, 1, TAKES(REASON) | TAKES(NOW), TAKES(REASON), true, key_activate,
        "let a published key sign from the next reload on"},
    {"key", "retire", "KID", 1, 1, TAKES(REASON) | TAKES(NOW), TAKES(REASON), true, key_retire,
        "remove a key whose last token has expired"},
    {"pepper", "new", "FILE", 1, 1, TAKES(REASON), 0, false, secret_pepper_new,
        "make a pepper for the hashes of passwords"},
    {"mail", "send", "", 0, 0, TAKES(JSON), 0, true, mail_send,
        "hand over what is waiting in the outbox, once; for a timer"},
    {"secret", "new", "FILE", 1, 1, TAKES(REASON), 0, false, secret_new,
        "make a key of the server"},
};

/* --- help --- */

/* The options of a verb: those it needs, then the others in brackets. */
static void print_options(const struct verb *verb)
{
    for (int needed = 1; needed >= 0; needed--) {
        for (unsigned i = 0; i < CTL_OPTIONS; i++) {
            const struct option *option = &options[i];

            /* The address may also be said without its option. */
            if (i == CTL_EMAIL || (verb->takes & 1U << i) == 0 ||
                ((verb->needs & 1U << i) != 0) != (needed == 1))
                continue;
            printf(needed == 1 ? " %s%s%s" : " [%s%s%s]", option->name,
                option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
        }
    }
}

static void print_verb(const struct verb *verb)
{
    printf("  %s %s%s%s", verb->object, verb->action, verb->arguments[0] == '\0' ? "" : " ",
        verb->arguments);
    print_options(verb);
    printf("\n      %s\n", verb->help);
}

static enum ctl_exit print_help(void)
{
    puts("Usage: petsctl [-c FILE] VERB [ARGUMENT...] [OPTION...]\n\nVerbs:");
    for (size_t i = 0; i < countof(verbs); i++)
        print_verb(&verbs[i]);
    puts("\nUSER is an e-mail address or the id of an account.\n\nOptions of verbs:");
    for (size_t i = 0; i < countof(options); i++)
        printf("  %-10s %-6s  %s\n", options[i].name,
            options[i].value == NULL ? "" : options[i].value, options[i].help);
    puts("\nOptions:\n"
         "  -c FILE      the configuration, for verbs that use the database\n"
         "  -h, --help   this text\n"
         "  --version    the version\n\n"
         "Exit status: 0 done, 1 failed, 2 the command line is wrong, 3 what was named is not "
         "there.");
    return CTL_DONE;
}

/* --- the command line --- */

/* The option of this name, or CTL_OPTIONS. */
static unsigned find_option(const char *name)
{
    unsigned i = 0;

    while (i < CTL_OPTIONS && strcmp(options[i].name, name) != 0)
        i++;
    return i;
}

/* Sorts the words behind the verb into options and arguments, in place. */
static enum ctl_exit parse(const struct verb *verb, struct ctl *ctl)
{
    int words = ctl->count;

    ctl->count = 0;
    for (int i = 0; i < words; i++) {
        char *word = ctl->arguments[i];
        unsigned option = word[0] == '-' && word[1] != '\0' ? find_option(word) : CTL_OPTIONS;

        if (word[0] != '-' || word[1] == '\0') {
            ctl->arguments[ctl->count++] = word;
            continue;
        }
        if (option == CTL_OPTIONS || (verb->takes & 1U << option) == 0)
            return ctl_misuse(
                "%s %s does not know the option %s", verb->object, verb->action, word);
        if (ctl->option[option] != NULL)
            return ctl_misuse("%s is given twice", word);
        if (options[option].value != NULL && i + 1 == words)
            return ctl_misuse("%s takes a value: %s", word, options[option].value);
        ctl->option[option] = options[option].value == NULL ? "" : ctl->arguments[++i];
    }
    return CTL_DONE;
}

static enum ctl_exit check(const struct verb *verb, const struct ctl *ctl)
{
    const char *reason = ctl->option[CTL_REASON];

    if (verb->configured && ctl->file == NULL)
        return ctl_misuse("%s %s needs a configuration: -c FILE", verb->object, verb->action);
    if (ctl->count < verb->least || ctl->count > verb->most)
        return ctl_misuse("%s %s takes: %s", verb->object, verb->action,
            verb->arguments[0] == '\0' ? "no arguments" : verb->arguments);
    for (unsigned i = 0; i < CTL_OPTIONS; i++)
        if ((verb->needs & 1U << i) != 0 && ctl->option[i] == NULL)
            return ctl_misuse("%s %s needs %s", verb->object, verb->action, options[i].name);
    if (reason != NULL && (reason[0] == '\0' || strlen(reason) > CTL_REASON_MAX ||
                              utf8_length(reason, strlen(reason)) == -1 ||
                              !utf8_printable(reason, strlen(reason), false)))
        return ctl_misuse("the reason must be 1 to %d bytes of printable text", CTL_REASON_MAX);
    return CTL_DONE;
}

static enum ctl_exit run(const struct verb *verb, struct ctl *ctl)
{
    enum ctl_exit code = parse(verb, ctl);

    if (code == CTL_DONE)
        code = check(verb, ctl);
    if (code != CTL_DONE)
        return code;
    ctl->arena = arena_new(8192);
    code = verb->run(ctl);
    ctl_close(ctl);
    arena_free(ctl->arena);
    return code;
}

static enum ctl_exit run_verb(struct ctl *ctl)
{
    char **words = ctl->arguments;

    if (ctl->count < 2)
        return ctl_misuse("a verb of two words is needed");
    for (size_t i = 0; i < countof(verbs); i++) {
        if (strcmp(words[0], verbs[i].object) == 0 && strcmp(words[1], verbs[i].action) == 0) {
            ctl->arguments += 2;
            ctl->count -= 2;
            return run(&verbs[i], ctl);
        }
    }
    return ctl_misuse("there is no verb '%s %s'", words[0], words[1]);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.count = argc - 1, .arguments = argv + 1};
    const char *first;
    enum ctl_exit code;

    if (ctl.count >= 2 && strcmp(ctl.arguments[0], "-c") == 0) {
        ctl.file = ctl.arguments[1];
        ctl.arguments += 2;
        ctl.count -= 2;
    }
    first = ctl.count == 1 ? ctl.arguments[0] : "";
    if (strcmp(first, "--version") == 0)
        code = puts("petsctl (pets-api) " PACKAGE_VERSION) == EOF ? CTL_FAILED : CTL_DONE;
    else if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        code = print_help();
    else
        code = run_verb(&ctl);
    if (fflush(stdout) == EOF && code == CTL_DONE)
        return ctl_fail("standard output: %s", strerror(errno));
    return code;
}
