/*
 * idempotency.h: POST that may be repeated (draft-ietf-httpapi-idempotency-key-header). Who does
 * not know whether a request was served sends it again with the same Idempotency-Key, and gets the
 * answer of the first time: it is stored in the transaction of the write, so either both are there
 * or neither is.
 *
 * Such a request sends its statement with one before it, which takes the key, and leaves the
 * transaction open until its answer has been rendered and stored; one without a key is sent as
 * ever. A key belongs to an account, and to one request: the same key with another method, path or
 * body is an error.
 */
#ifndef HTTP_IDEMPOTENCY_H
#define HTTP_IDEMPOTENCY_H

#include "http/exchange.h"

enum { IDEMPOTENCY_KEY_MAX = 255 };

/* Takes the key out of the header, a string of RFC 8941 section 3.3.3. False: it is none. */
bool idempotency_parse(struct arena *arena, const char *header, struct text *key);

/* Takes the key of the request, `exchange->key`, before the query that it has just begun. */
enum err idempotency_begin(struct exchange *exchange);

/* What stores the reply, to be run in the same transaction. */
struct query *idempotency_store(struct exchange *exchange);

/* Begins the query for the answer that was stored; and fills the reply with it. */
void idempotency_ask(struct exchange *exchange);
enum err idempotency_answer(struct exchange *exchange);

#endif
