/*
 * config_check.h: the rules that concern more than one option, private to config.c.
 */
#ifndef BASE_CONFIG_CHECK_H
#define BASE_CONFIG_CHECK_H

#include "base/config.h"

/*
 * True when all rules hold. Otherwise the first broken one is said in `problem`, and `fault` gets
 * the offsets in struct config of the one or two options at fault (the second may repeat the
 * first).
 */
bool config_check(const struct config *config, size_t fault[2], char *problem, size_t size);

#endif
