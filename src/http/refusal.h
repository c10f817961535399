/*
 * refusal.h: who is refused is remembered. What enter() refuses leaves no trace in the database,
 * since its transaction ends with it, so a statement of its own says afterwards who wanted what.
 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include "http/exchange.h"

/*
 * Whether `err` is the refusal of somebody whom the audit record is to name. Then `exchange->query`
 * is bound, to be submitted before the answer is given. (A token that is good for nobody is logged
 * at once.)
 */
bool refusal_begin(struct exchange *exchange, enum err err);

/* It has been recorded, or could not be: logs it. */
void refusal_end(const struct exchange *exchange, enum err err);

#endif
