/*
 * config_options.h: the table of options, for config.c. A row says where an option stands in the
 * file, its type, default, range, unit, whether a reload can change it, and what it is for.
 */
#ifndef BASE_CONFIG_OPTIONS_H
#define BASE_CONFIG_OPTIONS_H

#include "base/base.h"

enum config_type {
    CONFIG_STRING, /* const char *; min and max are its length */
    CONFIG_PATH,   /* the same; absolute */
    CONFIG_SECRET, /* the same; absolute, or below $CREDENTIALS_DIRECTORY */
    CONFIG_LISTEN, /* the same; where to listen */
    CONFIG_WORD,   /* const char *; one of `words` */
    CONFIG_CHOICE, /* int; the index in `words` */
    CONFIG_BOOL,   /* bool */
    CONFIG_MODE,   /* int; octal */
    CONFIG_INT,    /* int */
    CONFIG_INT64,  /* int64_t */
};

struct config_option {
    const char *section, *name;
    enum config_type type;
    size_t offset; /* in struct config */
    const char *initial;
    int64_t min, max;
    const char *unit;
    const char *const *words;
    bool reloadable;
    const char *help;
};

enum { CONFIG_OPTIONS_MAX = 128 };
extern const struct config_option config_options[];
extern const size_t config_options_count;

#endif
