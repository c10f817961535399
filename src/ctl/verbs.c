/*
 * verbs.c: the tables.
 */
#include "ctl/verbs.h"

#include "ctl/access.h"
#include "ctl/completion.h"
#include "ctl/help.h"
#include "ctl/key.h"
#include "ctl/mail.h"
#include "ctl/pools.h"
#include "ctl/prune.h"
#include "ctl/secret.h"
#include "ctl/session.h"
#include "ctl/user.h"

#define TAKES(option) CTL_TAKES(option)

const struct verb verbs_list[] = {
    {"user", "add", {"EMAIL"}, 0,
        TAKES(EMAIL) | TAKES(ADMIN) | TAKES(NAME) | TAKES(REASON) | TAKES(JSON), 0, true, user_add,
        "add an account and print its id; the password is a line of standard input, or asked for"},
    {"user", "list", {"TEXT"}, 0,
        TAKES(LIMIT) | TAKES(BEFORE) | TAKES(ROLE) | TAKES(STATE) | TAKES(REASON) | TAKES(JSON), 0,
        true, user_list,
        "list accounts, newest first; with TEXT, those with it in e-mail address or name"},
    {"user", "show", {"USER"}, 1, TAKES(REASON) | TAKES(JSON), 0, true, user_show,
        "show an account"},
    {"user", "role", {"USER", "ROLE"}, 2, TAKES(REASON), TAKES(REASON), true, user_role,
        "make an account USER or ADMIN"},
    {"user", "disable", {"USER"}, 1, TAKES(REASON), TAKES(REASON), true, user_disable,
        "let an account log in no more, and end its sessions"},
    {"user", "enable", {"USER"}, 1, TAKES(REASON), TAKES(REASON), true, user_enable,
        "let it log in again"},
    {"user", "revoke", {"USER"}, 1, TAKES(REASON), TAKES(REASON), true, user_revoke,
        "end all sessions and API keys of an account"},
    {"user", "unlock", {"USER"}, 1, TAKES(REASON) | TAKES(ADDRESS), TAKES(REASON), true,
        access_unlock, "forget the failed logins of an account"},
    {"user", "reset-link", {"USER"}, 1, TAKES(REASON) | TAKES(JSON), TAKES(REASON), true,
        access_reset_link, "print a link by which its owner, once, chooses another password"},
    {"user", "reset-mfa", {"USER"}, 1, TAKES(REASON), TAKES(REASON), true, access_reset_mfa,
        "take the second factor of an account away, and end its sessions"},
    {"session", "list", {"USER"}, 1, TAKES(ALL) | TAKES(REASON) | TAKES(JSON), 0, true,
        session_list, "list the sessions of an account that are live, newest first"},
    {"session", "revoke", {"SESSION"}, 1, TAKES(REASON), TAKES(REASON), true, session_revoke,
        "end a session"},
    {"key", "new", {"DIR"}, 0, TAKES(REASON) | TAKES(JSON), 0, false, key_new,
        "make a signing key, publish its public half, and print its KID; the first one in DIR"},
    {"key", "list", {NULL}, 0, TAKES(JSON), 0, true, key_list,
        "list the signing keys, and what can be done next with each"},
    {"key", "activate", {"KID"}, 1, TAKES(REASON) | TAKES(NOW), TAKES(REASON), true, key_activate,
        "let a published key sign from the next reload on"},
    {"key", "retire", {"KID"}, 1, TAKES(REASON) | TAKES(NOW), TAKES(REASON), true, key_retire,
        "remove a key whose last token has expired"},
    {"pepper", "new", {"FILE"}, 1, TAKES(REASON), 0, false, secret_pepper_new,
        "make a pepper for the hashes of passwords"},
    {"secret", "new", {"FILE"}, 1, TAKES(REASON), 0, false, secret_new, "make a key of the server"},
    {"secret", "scram", {"FILE"}, 1, 0, 0, false, secret_scram,
        "print what PostgreSQL is told instead of the password in FILE"},
    {"mail", "send", {NULL}, 0, TAKES(JSON), 0, true, mail_send,
        "hand over what is waiting in the outbox, once; for a timer"},
    {"database", "prune", {NULL}, 0, TAKES(REASON) | TAKES(JSON), 0, true, prune_run,
        "delete what is over and was kept long enough, and say how much; for a timer"},
};
const size_t verbs_count = countof(verbs_list);

const struct verb_program verbs_programs[] = {
    {"setup", NULL,
        "make a running service of what was installed, or bring it up to date; as root"},
    {"restart", NULL, "start the pools anew, while others serve in their place; as root"},
    {"status", pools_status, "show what the pools do, live on a terminal"},
    {"doctor", NULL,
        "look for what is wrong, or soon will be, and say what to do; for monitoring, too"},
};
const size_t verbs_programs_count = countof(verbs_programs);

const struct verb_option verbs_options[CTL_OPTIONS] = {
    [CTL_EMAIL] = {"--email", "EMAIL", "the e-mail address, if it is no argument"},
    [CTL_ADMIN] = {"--admin", NULL, "of an administrator"},
    [CTL_NAME] = {"--name", "NAME", "the name to show"},
    [CTL_REASON] = {"--reason", "TEXT", "why, for the audit trail"},
    [CTL_LIMIT] = {"--limit", "N", "at most so many (100)"},
    [CTL_BEFORE] = {"--before", "ID", "only older ones than this"},
    [CTL_ROLE] = {"--role", "ROLE", "only of this role"},
    [CTL_STATE] = {"--state", "STATE", "only in this state"},
    [CTL_ALL] = {"--all", NULL, "those that are over, too"},
    [CTL_ADDRESS] = {"--address", "IP", "from this network, too"},
    [CTL_NOW] = {"--now", NULL, "also when it is too early"},
    [CTL_JSON] = {"--json", NULL, "print JSON, for programs"},
};

const struct verb_flag verbs_flags[] = {
    {"-c", NULL, "FILE", NULL, "the configuration, for verbs that use the database"},
    {"--help", "-h", NULL, help_print, "this text"},
    {"--version", NULL, NULL, help_version, "the version"},
    {"--completion", NULL, NULL, completion_print, "a script that lets bash complete all this"},
};
const size_t verbs_flags_count = countof(verbs_flags);

const struct verb_value verbs_values[] = {
    {"ROLE", VERB_VALUE_WORDS, "USER ADMIN"},
    {"STATE", VERB_VALUE_WORDS, "active disabled"},
    {"FILE", VERB_VALUE_FILE, NULL},
    {"DIR", VERB_VALUE_DIRECTORY, NULL},
};
const size_t verbs_values_count = countof(verbs_values);

const char *verbs_words(const char *name)
{
    for (size_t i = 0; i < verbs_values_count; i++)
        if (strcmp(verbs_values[i].name, name) == 0 && verbs_values[i].kind == VERB_VALUE_WORDS)
            return verbs_values[i].words;
    return "";
}

bool verbs_allow(const char *name, const char *value)
{
    const char *word = verbs_words(name);
    size_t length = strlen(value);

    if (*word == '\0')
        return true;
    while (*word != '\0') {
        size_t end = strcspn(word, " ");

        if (end == length && memcmp(word, value, length) == 0)
            return true;
        word += end;
        word += strspn(word, " ");
    }
    return false;
}
