/*
 * precondition.h: If-Match and If-None-Match (RFC 9110 section 13). The entity tag of a resource is
 * its version in quotes, and strong.
 */
#ifndef HTTP_PRECONDITION_H
#define HTTP_PRECONDITION_H

#include "db/query.h"

enum { ENTITY_TAGS_MAX = 16 };

/*
 * Binds the versions of If-Match as an int4[]: null when the header is absent or "*" (any version
 * will do), else those of its strong tags; a tag that cannot be one of ours matches nothing.
 */
void precondition_bind(struct query *query, const char *if_match);

/* Whether If-None-Match names this version, by weak comparison, or "*". False when absent. */
bool precondition_unchanged(const char *if_none_match, int32_t version);

#endif
