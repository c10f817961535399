/*
 * login.h: logging in with a password, and the session that a login opens.
 */
#ifndef API_LOGIN_H
#define API_LOGIN_H

#include "auth/grant.h"
#include "http/exchange.h"

enum { login_fields_count = 2 };
extern const struct field login_fields[login_fields_count];

handler login_ask, login_next;

/*
 * Begins the query that opens a session for `grant->account`, whose password was right and is of
 * this generation, and gives back what the attempt took (`receipt`; NULL: nothing). It has no row
 * when the account has another password by now, or is not active. Then fills the reply.
 */
enum err login_open_session(struct exchange *exchange, struct grant *grant, int32_t generation,
    bool mfa, const struct text *receipt);
enum err login_session_opened(struct exchange *exchange, struct grant *grant);

#endif
