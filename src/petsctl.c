/*
 * petsctl.c: the operator's tool. What can be said to it is in the tables of ctl/verbs.c; here the
 * command line is taken apart and checked by them, and the function of its verb is called. It
 * prints what it did on standard output, complaints on standard error, and never a secret on
 * either, unless making one known is what was asked for.
 */
#include "ctl/ctl.h"
#include "ctl/program.h"
#include "ctl/verbs.h"
#include "http/utf8.h"

/* The option of this name, or CTL_OPTIONS. */
static unsigned find_option(const char *name)
{
    unsigned i = 0;

    while (i < CTL_OPTIONS && strcmp(verbs_options[i].name, name) != 0)
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
        if (verbs_options[option].value != NULL && i + 1 == words)
            return ctl_misuse("%s takes a value: %s", word, verbs_options[option].value);
        ctl->option[option] = verbs_options[option].value == NULL ? "" : ctl->arguments[++i];
    }
    return CTL_DONE;
}

static int most(const struct verb *verb)
{
    int count = 0;

    while (count < VERBS_ARGUMENTS && verb->arguments[count] != NULL)
        count++;
    return count;
}

static enum ctl_exit wrong_count(const struct verb *verb)
{
    char names[64] = "no arguments";
    size_t length = 0;

    for (int i = 0; i < most(verb); i++)
        length += (size_t)snprintf(names + length, sizeof names - length,
            i < verb->least ? "%s%s" : "%s[%s]", i == 0 ? "" : " ", verb->arguments[i]);
    return ctl_misuse("%s %s takes: %s", verb->object, verb->action, names);
}

static enum ctl_exit check_value(const char *name, const char *value)
{
    return verbs_allow(name, value) ? CTL_DONE
                                    : ctl_misuse("%s is one of: %s", name, verbs_words(name));
}

/* What has but a few words is one of them. */
static enum ctl_exit check_values(const struct verb *verb, const struct ctl *ctl)
{
    enum ctl_exit code = CTL_DONE;

    for (int i = 0; i < ctl->count && code == CTL_DONE; i++)
        code = check_value(verb->arguments[i], ctl->arguments[i]);
    for (unsigned i = 0; i < CTL_OPTIONS && code == CTL_DONE; i++)
        if (ctl->option[i] != NULL && verbs_options[i].value != NULL)
            code = check_value(verbs_options[i].value, ctl->option[i]);
    return code;
}

static enum ctl_exit check(const struct verb *verb, const struct ctl *ctl)
{
    const char *reason = ctl->option[CTL_REASON];

    if (verb->configured && ctl->file == NULL)
        return ctl_misuse("%s %s needs a configuration: -c FILE", verb->object, verb->action);
    if (ctl->count < verb->least || ctl->count > most(verb))
        return wrong_count(verb);
    for (unsigned i = 0; i < CTL_OPTIONS; i++)
        if ((verb->needs & 1U << i) != 0 && ctl->option[i] == NULL)
            return ctl_misuse("%s %s needs %s", verb->object, verb->action, verbs_options[i].name);
    if (reason != NULL && (reason[0] == '\0' || strlen(reason) > CTL_REASON_MAX ||
                              utf8_length(reason, strlen(reason)) == -1 ||
                              !utf8_printable(reason, strlen(reason), false)))
        return ctl_misuse("the reason must be 1 to %d bytes of printable text", CTL_REASON_MAX);
    return check_values(verb, ctl);
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

    for (size_t i = 0; i < verbs_programs_count && ctl->count > 0; i++) {
        const struct verb_program *program = &verbs_programs[i];

        if (strcmp(words[0], program->name) != 0)
            continue;
        if (ctl->file != NULL)
            return ctl_misuse("%s takes no -c FILE before it", words[0]);
        return program->run != NULL ? program->run(ctl->count, words)
                                    : program_become(words[0], words + 1);
    }
    if (ctl->count < 2)
        return ctl_misuse("a verb of two words is needed");
    for (size_t i = 0; i < verbs_count; i++) {
        const struct verb *verb = &verbs_list[i];

        if (strcmp(words[0], verb->object) == 0 && strcmp(words[1], verb->action) == 0) {
            ctl->arguments += 2;
            ctl->count -= 2;
            return run(verb, ctl);
        }
    }
    return ctl_misuse("there is no verb '%s %s'", words[0], words[1]);
}

/* What stands instead of a verb, or NULL. */
static const struct verb_flag *find_flag(const struct ctl *ctl)
{
    const char *word = ctl->count == 1 ? ctl->arguments[0] : "";

    for (size_t i = 0; i < verbs_flags_count; i++) {
        const struct verb_flag *flag = &verbs_flags[i];

        if (flag->run != NULL && (strcmp(word, flag->name) == 0 ||
                                     (flag->other != NULL && strcmp(word, flag->other) == 0)))
            return flag;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.count = argc - 1, .arguments = argv + 1};
    const struct verb_flag *flag;
    enum ctl_exit code;

    if (ctl.count >= 2 && strcmp(ctl.arguments[0], "-c") == 0) {
        ctl.file = ctl.arguments[1];
        ctl.arguments += 2;
        ctl.count -= 2;
    }
    flag = find_flag(&ctl);
    code = flag != NULL ? flag->run() : run_verb(&ctl);
    if (fflush(stdout) == EOF && code == CTL_DONE)
        return ctl_fail("standard output: %s", strerror(errno));
    return code;
}
