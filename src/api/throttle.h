/*
 * throttle.h: what bounds guessing and flooding, for the handlers. sql/schema/deploy/throttle.sql
 * says how it works. An attempt asks before it does anything that costs or tells:
 *
 *     ask:     query = exchange_query(exchange, STATEMENT_X), whose SQL calls pets.throttle_take
 *              with the two parameters that throttle_bind binds, and returns its five columns last;
 *              or, where there is no such statement, throttle_ask
 *     answer:  err = throttle_judge(exchange, THROTTLE_X, column, &receipt): ERR_RATE_LIMITED means
 *              that nothing more may be done
 *
 * A failure needs nothing: its cost has been taken. A success gives most of it back, in a statement
 * that is sent anyway and calls pets.throttle_give (throttle_bind_give), and a sign-in makes the
 * network known by pets.throttle_known (throttle_bind_known).
 *
 * The subject is the e-mail address as it was given or the id of the account as text, and always
 * the same of both for one kind. Whether it exists must not matter: ask for any.
 */
#ifndef API_THROTTLE_H
#define API_THROTTLE_H

#include "http/exchange.h"

enum throttle_kind {
    THROTTLE_LOGIN,    /* by e-mail address */
    THROTTLE_REGISTER, /* no subject */
    THROTTLE_PASSWORD, /* the current password, of somebody who is logged in; by account */
    THROTTLE_RESET,    /* asks for mail; by e-mail address */
    THROTTLE_MAILBOX,  /* mail because of a registration; by e-mail address */
};

/* The word for it in SQL, metrics and logs. */
const char *throttle_name(enum throttle_kind kind);

/* Binds `address inet, limits int4[]`. */
void throttle_bind(struct exchange *exchange, struct query *query, enum throttle_kind kind);

/* Binds the latter alone, where the address is bound already. */
void throttle_bind_limits(
    const struct exchange *exchange, struct query *query, enum throttle_kind kind);

/* Begins the query throttle_take; its first column is 0. `subject`, `account`: NULL for none. */
void throttle_ask(struct exchange *exchange, enum throttle_kind kind, const struct text *subject,
    const struct uuid *account);

/*
 * Reads `refused text, retry_s int4, remaining int4, reset_s int4, receipt text` from the only row,
 * beginning at `column`. Sets the RateLimit fields of the reply, and when it is refused
 * Retry-After; counts and logs that. The receipt is borrowed from the rows, and lives as long as
 * the arena.
 */
enum err throttle_judge(
    struct exchange *exchange, enum throttle_kind kind, int column, struct text *receipt);

/*
 * The same for what is left undone without a word to the client: when it is refused, that is
 * counted and logged, and the reply stays as it is.
 */
void throttle_note(struct exchange *exchange, enum throttle_kind kind, int column);

/* Binds `receipt text, percent int4`. NULL: nothing to give back. */
void throttle_bind_give(struct exchange *exchange, struct query *query, const struct text *receipt);

/* Binds `limits int4[], known_networks int4`. */
void throttle_bind_known(struct exchange *exchange, struct query *query);

#endif
