/*
 * help.c: the tables of verbs.c, for people. petsctl(8) has the same rows, and a test compares.
 */
#include "ctl/help.h"

#include "config.h"

#include "ctl/verbs.h"

/* Its arguments, those in brackets that need not be given. */
static void print_arguments(const struct verb *verb)
{
    for (int i = 0; i < VERBS_ARGUMENTS && verb->arguments[i] != NULL; i++)
        printf(i < verb->least ? " %s" : " [%s]", verb->arguments[i]);
}

/* The options of a verb: those it needs, then the others in brackets. */
static void print_options(const struct verb *verb)
{
    for (int needed = 1; needed >= 0; needed--) {
        for (unsigned i = 0; i < CTL_OPTIONS; i++) {
            const struct verb_option *option = &verbs_options[i];

            if ((verb->takes & 1U << i) == 0 || ((verb->needs & 1U << i) != 0) != (needed == 1))
                continue;
            printf(needed == 1 ? " %s%s%s" : " [%s%s%s]", option->name,
                option->value == NULL ? "" : " ", option->value == NULL ? "" : option->value);
        }
    }
}

static void print_verb(const struct verb *verb)
{
    printf("  %s %s", verb->object, verb->action);
    print_arguments(verb);
    print_options(verb);
    printf("\n      %s\n", verb->help);
}

static void print_flag(const struct verb_flag *flag)
{
    char names[64];

    snprintf(names, sizeof names, "%s%s%s%s%s", flag->other == NULL ? "" : flag->other,
        flag->other == NULL ? "" : ", ", flag->name, flag->value == NULL ? "" : " ",
        flag->value == NULL ? "" : flag->value);
    printf("  %-14s  %s\n", names, flag->help);
}

static void print_values(void)
{
    for (size_t i = 0; i < verbs_values_count; i++)
        if (verbs_values[i].kind == VERB_VALUE_WORDS)
            printf("%s is one of: %s.\n", verbs_values[i].name, verbs_values[i].words);
}

enum ctl_exit help_print(void)
{
    puts("Usage: petsctl [-c FILE] VERB [ARGUMENT...] [OPTION...]\n\nVerbs:");
    for (size_t i = 0; i < verbs_count; i++)
        print_verb(&verbs_list[i]);
    puts("\nMore verbs, each with its own --help:");
    for (size_t i = 0; i < verbs_programs_count; i++)
        printf("  %-10s  %s\n", verbs_programs[i].name, verbs_programs[i].help);
    puts("\nUSER is an e-mail address or the id of an account.");
    print_values();
    puts("\nOptions of verbs:");
    for (size_t i = 0; i < CTL_OPTIONS; i++)
        printf("  %-10s %-6s  %s\n", verbs_options[i].name,
            verbs_options[i].value == NULL ? "" : verbs_options[i].value, verbs_options[i].help);
    puts("\nOptions:");
    for (size_t i = 0; i < verbs_flags_count; i++)
        print_flag(&verbs_flags[i]);
    puts("\nExit status: 0 done, 1 failed, 2 the command line is wrong, 3 what was named is not "
         "there, 4 a pool does not serve (status); doctor: as monitoring has it.");
    return CTL_DONE;
}

enum ctl_exit help_version(void)
{
    return puts("petsctl (pets-api) " PACKAGE_VERSION) == EOF ? CTL_FAILED : CTL_DONE;
}
