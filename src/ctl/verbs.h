/*
 * verbs.h: everything that can be said to petsctl, as three tables: verbs, their options, and the
 * options of the tool itself. Parsing, help and completion are made from them, and tests compare
 * them with petsctl(8); so a verb is a row here, and nothing else has to know of it. What a value
 * or an argument is, is said by its name in capitals: for some there is a row that says which words
 * are allowed, or that it is a file.
 */
#ifndef CTL_VERBS_H
#define CTL_VERBS_H

#include "ctl/ctl.h"

enum { VERBS_ARGUMENTS = 2 }; /* the most that a verb takes */

struct verb {
    const char *object;
    const char *action;
    const char *arguments[VERBS_ARGUMENTS]; /* their names; NULL: no more */
    int least;                              /* how many of them must be given */
    unsigned takes;                         /* options: CTL_TAKES */
    unsigned needs;                         /* those of them that must be given */
    bool configured;                        /* needs -c FILE */
    enum ctl_exit (*run)(struct ctl *ctl);
    const char *help;
};
extern const struct verb verbs_list[];
extern const size_t verbs_count;

/* Verbs of one word, which take apart their command line themselves and have their own help. */
struct verb_program {
    const char *name;
    enum ctl_exit (*run)(int count, char **words); /* NULL: a program of its own (program.h) */
    const char *help;
};
extern const struct verb_program verbs_programs[];
extern const size_t verbs_programs_count;

struct verb_option {
    const char *name;
    const char *value; /* the name of what it takes; NULL: nothing */
    const char *help;
};
extern const struct verb_option verbs_options[CTL_OPTIONS];

/* Those before a verb, or instead of one. */
struct verb_flag {
    const char *name, *other; /* other: also a name of it, or NULL */
    const char *value;
    enum ctl_exit (*run)(void); /* NULL: something follows */
    const char *help;
};
extern const struct verb_flag verbs_flags[];
extern const size_t verbs_flags_count;

/* What is known of the values with a name. */
struct verb_value {
    const char *name;
    enum verb_value_kind { VERB_VALUE_WORDS, VERB_VALUE_FILE, VERB_VALUE_DIRECTORY } kind;
    const char *words; /* with a blank between them */
};
extern const struct verb_value verbs_values[];
extern const size_t verbs_values_count;

/* Whether a value may be given where this name stands. */
bool verbs_allow(const char *name, const char *value);
/* The words of that, for people; "" when anything is allowed. */
const char *verbs_words(const char *name);

#endif
