/*
 * place.h: where a unit test may put things: the temporary directory that the runner has given to
 * it alone, and looks through afterwards.
 */
#ifndef UNIT_PLACE_H
#define UNIT_PLACE_H

#include "base/base.h"

/* The template of a name there, for mkstemp and mkdtemp. */
static inline void place(char *path, size_t size, const char *name)
{
    const char *tmp = getenv("TMPDIR");
    int length = snprintf(path, size, "%s/%s.XXXXXX", tmp == NULL ? "/tmp" : tmp, name);

    if (length < 0 || (size_t)length >= size)
        abort();
}

#endif
