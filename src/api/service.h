/*
 * service.h: what the handlers of a pool share: made once a worker, borrowed by every request; and
 * what several resources do with it.
 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include "auth/bookmark.h"
#include "auth/factor.h"
#include "auth/grant.h"
#include "auth/hasher.h"
#include "auth/link.h"
#include "auth/password.h"
#include "auth/password_rules.h"
#include "auth/refresh.h"
#include "auth/rehash.h"
#include "auth/token.h"
#include "http/exchange.h"

struct service {
    const struct config *config;
    struct scoreboard *scoreboard;
    struct slot *slot;
    struct keys *keys;                /* NULL in the ops worker */
    struct token_verifier *verifier;  /* the same */
    struct bookmark *bookmark;        /* of cursors; the same */
    int64_t keys_looked_us;           /* when it last looked for new public keys; 0: never */
    struct pepper *pepper;            /* auth pool only: what new hashes are made with */
    struct pepper *previous_pepper;   /* or what some were made with; NULL: none */
    struct password_rules *rules;     /* auth pool only */
    struct hasher *hasher;            /* auth pool only */
    struct rehasher *rehasher;        /* the same */
    struct refresh_keys refresh_keys; /* auth pool only */
    int64_t refresh_keys_looked_us;   /* when it last looked for another one; 0: never */
    char refresh_key_missed[16 + 1];  /* and for which */
    struct server_key link_key;       /* the same, when mail is sent */
    struct seal *seal;                /* of second factors; auth pool only */
    int listen_fd;                    /* of the pool, for its queue depth; -1 unknown */
};

static inline struct service *service_of(const struct exchange *exchange)
{
    return exchange->app->service;
}

/*
 * Takes a place in the queue of the hashing process, before anything else is done for a request
 * that will want a hash; ERR_OVERLOADED when there is none. The job is zeroed and in the arena; the
 * place is given back with the arena, if not before.
 */
enum err service_reserve(struct exchange *exchange, struct hash_job *job);

/*
 * Hands a job to the hashing process and waits for it; the handler is called again. The job is in
 * the arena, with its kind, password and hash set (hash_job_init, hash_job_expect).
 * `exchange->memory` may be anything.
 */
enum err service_hash(struct exchange *exchange, struct hash_job *job);

/*
 * Has a HASH_VERIFY check against the hash in the first row, in `column`, with the pepper whose
 * name is in the next one. False when that is unknown: it checks against a hash that nothing
 * matches.
 */
bool service_expect(
    const struct service *service, struct hash_job *job, const struct rows *rows, int column);

/*
 * Checks a new password by the rules; whose it is to be stands in the first row from `column` on:
 * e-mail address, name, and whether there is a second factor. As password_rules_check.
 */
enum err service_check_password(
    struct exchange *exchange, const struct text *password, int column, const char *pointer);

/*
 * A field that says what becomes of API keys when there is another password, and whether they are
 * to be revoked.
 */
extern const char *const service_keys_words[];
#define SERVICE_KEYS_FIELD(what)                                                                   \
    {                                                                                              \
        "api_keys", FIELD_WORD, FIELD_WRITE_ONLY, .words = service_keys_words, .initial = (what)   \
    }
bool service_revokes_keys(const struct value *value);

/* Fills the reply with an access and a refresh token. -1 when a library fails (logged). */
int service_grant(struct exchange *exchange, const struct grant *grant);

/*
 * Looks for the key of refresh tokens that has this id, where the configuration as it is now says,
 * and learns what it finds: once, and not again within ten seconds.
 */
void service_find_refresh_key(struct exchange *exchange, const char *id, size_t length);

/* Binds the id of a message that is to tell what is done: null when no mail is sent. */
void service_bind_mail(const struct exchange *exchange, struct query *query);

/* Fills the reply with 202: whatever comes of it is told by mail, and to the address alone. */
void service_accepted(struct exchange *exchange);

/* Logs that a token of this kind (refresh_token, mfa_token) is not good. */
void service_token_refused(const struct exchange *exchange, const char *kind);

/* The same for that of a link (verify_email, reset_password); returns ERR_LINK_INVALID. */
enum err service_link_refused(const struct exchange *exchange, const char *kind);

/* --- second factors: service_factor.c --- */

/* Whether exactly one of the fields first..last was given; `names` names them for people. */
enum err service_one_given(struct exchange *exchange, int first, int last, const char *names);

/* ERR_VALIDATION_FAILED, with what is wrong at `pointer`. */
enum err service_wrong_code(struct exchange *exchange, const char *pointer);

/*
 * Checks a one-time code of an account against the only row of the query, where secret, key_id,
 * last_step and wait_s are the columns from `column` on. ERR_NONE, and what to store in `accepted`;
 * or what to answer, and in `*reason` what to record (NULL: a fault of the service, logged
 * already).
 */
enum err service_check_code(struct exchange *exchange, const struct uuid *account, int column,
    const struct text *code, struct factor_accepted *accepted, const char **reason);

/* Binds step, secret and key_id; the last two are null unless the secret was sealed anew. */
void service_bind_accepted(
    struct exchange *exchange, struct query *query, const struct factor_accepted *accepted);

/* Begins the query that records a failed proof of identity, and logs it. NULL: nobody's account. */
enum err service_record_failure(
    struct exchange *exchange, const struct uuid *account, const char *reason);

/* Logs what was changed of an account, such as second_factor=removed. */
void service_log_user_updated(
    struct exchange *exchange, const struct uuid *account, const char *what, const char *how);

#endif
