/*
 * pools_text.h: the pools for a terminal, one below the other.
 */
#ifndef CTL_POOLS_TEXT_H
#define CTL_POOLS_TEXT_H

#include "ctl/pools.h"

void pools_text(const struct pools *pools, FILE *out);

#endif
