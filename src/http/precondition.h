/*
 * precondition.h: If-Match and If-None-Match (RFC 9110 section 13). The entity tag of a resource is
 * its version in quotes, and strong.
 */
#ifndef HTTP_PRECONDITION_H
#define HTTP_PRECONDITION_H

#include "db/query.h"

enum { ENTITY_TAGS_MAX = 16 }; /* of If-Match: what is beyond matches nothing */

/*
 * For what changes a resource: binds two int4[], the versions that it must have one of (null: any
 * will do) and those that it must not have (null: none). They are those of the strong tags of
 * If-Match, and of all tags of If-None-Match; a tag that cannot be one of ours matches nothing.
 * With If-None-Match "*" no version will do: whatever is there is there.
 */
void precondition_bind(struct query *query, const char *if_match, const char *if_none_match);

/* For what reads one: whether If-Match is absent, "*", or names this version by strong comparison.
 */
bool precondition_matches(const char *if_match, int32_t version);

/* Whether If-None-Match names this version, by weak comparison, or "*". False when absent. */
bool precondition_unchanged(const char *if_none_match, int32_t version);

#endif
