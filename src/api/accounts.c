/*
 * accounts.c: accounts. Registration asks whether the network may have another account, hashes, off
 * the loop, and then writes the account, its credential and the audit event in one statement. Where
 * mail is sent it writes what was asked for, and a message, instead, and says the same whoever has
 * the address; following the link in the message is what opens the account.
 */
#include "api/accounts.h"

#include "api/service.h"
#include "api/throttle.h"
#include "auth/email.h"
#include "base/log.h"

enum { NAME_MAX_CHARACTERS = 80 };
enum { F_EMAIL, F_PASSWORD, F_NAME };

const struct field accounts_register_fields[accounts_register_fields_count] = {
    [F_EMAIL] = {"email", FIELD_STRING, FIELD_REQUIRED, 3, EMAIL_MAX, .check = email_valid},
    [F_PASSWORD] = PASSWORD_NEW_FIELD("password"),
    [F_NAME] = {"display_name", FIELD_STRING, FIELD_REQUIRED, 1, NAME_MAX_CHARACTERS},
};

/* In the order of the columns of the account statements. */
static const struct field account_fields[] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"email", FIELD_STRING, FIELD_READ_ONLY},
    {"display_name", FIELD_STRING, FIELD_READ_ONLY},
    {"role", FIELD_WORD, FIELD_READ_ONLY},
    {"state", FIELD_WORD, FIELD_READ_ONLY},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"updated_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"version", FIELD_INTEGER, FIELD_READ_ONLY},
};
enum { COLUMN_ID = 0, COLUMN_VERSION = 7 };

static enum err render_account(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;

    if (rows->count != 1)
        return ERR_INTERNAL;
    exchange->reply.version = rows_int4(rows, 0, COLUMN_VERSION);
    fields_render(account_fields, countof(account_fields), rows, 0, 0, &exchange->reply.json);
    return ERR_NONE;
}

/* --- registration --- */

enum err accounts_register_check(struct exchange *exchange)
{
    const struct value *values = exchange->values;
    const struct password_owner owner = {values[F_EMAIL].text, values[F_NAME].text};

    if (values[F_PASSWORD].text.bytes == NULL)
        return ERR_NONE;
    return password_rules_check(service_of(exchange)->rules, &values[F_PASSWORD].text, PASSWORD_MIN,
        &owner, "/password", &exchange->violations);
}

enum err accounts_register(struct exchange *exchange)
{
    struct hash_job *job = arena_zalloc(exchange->arena, sizeof *job);
    enum err err = service_reserve(exchange, job);

    if (err != ERR_NONE)
        return err;
    exchange->memory = job;
    throttle_ask(exchange, THROTTLE_REGISTER, NULL, NULL);
    return ERR_NONE;
}

static enum err hash_password(struct exchange *exchange)
{
    const struct text *password = &exchange->values[F_PASSWORD].text;
    struct hash_job *job = exchange->memory;
    struct text receipt;
    enum err err = throttle_judge(exchange, THROTTLE_REGISTER, 0, &receipt);

    if (err != ERR_NONE)
        return err;
    hash_job_init(job, HASH_MAKE, password->bytes, password->length);
    return service_hash(exchange, job);
}

/* The account, or with mail only what was asked for; both statements begin alike. */
static enum err insert_account(struct exchange *exchange)
{
    const struct service *service = service_of(exchange);
    const struct hash_job *job = exchange->memory;
    const struct value *values = exchange->values;
    bool mail = service->config->mail.mode;
    struct query *query;
    struct uuid id;
    struct link link;

    uuid_v7(&id);
    if (job->failed || (mail && link_derive(&service->link_key, &id, &link) != 0))
        return ERR_INTERNAL;
    query = exchange_query(exchange, mail ? STATEMENT_ACCOUNT_REQUEST : STATEMENT_ACCOUNT_REGISTER);
    query_uuid(query, &id);
    query_text(query, values[F_EMAIL].text.bytes, values[F_EMAIL].text.length);
    query_text(query, values[F_NAME].text.bytes, values[F_NAME].text.length);
    query_string(query, job->hash);
    query_string(query, pepper_id(service->pepper));
    if (mail) {
        query_bytes(
            query, arena_copy(exchange->arena, link.hash, sizeof link.hash), sizeof link.hash);
        query_int4(query, service->config->mail.verify_lifetime_s);
    }
    query_string(query, exchange->request.id);
    if (mail)
        throttle_bind(exchange, query, THROTTLE_MAILBOX);
    else
        query_inet(query, exchange->request.address);
    return ERR_NONE;
}

/* A message is on its way, unless the address has had enough of them; the answer is the same. */
static void requested(struct exchange *exchange)
{
    throttle_note(exchange, THROTTLE_MAILBOX, 0);
    log_event(LEVEL_INFO, "user_registration_requested", log_request(&exchange->request),
        log_str("address", exchange->request.address));
    service_accepted(exchange);
}

/* There is an account now. */
static enum err created(struct exchange *exchange)
{
    char id[UUID_SIZE];
    enum err err;

    exchange->reply.status = 201;
    exchange->reply.location = "/v1/me";
    err = render_account(exchange);
    if (err != ERR_NONE)
        return err;
    uuid_format(rows_uuid(&exchange->query.rows, 0, COLUMN_ID), id);
    log_event(
        LEVEL_INFO, "user_created", log_request(&exchange->request), log_str("account_id", id));
    return ERR_NONE;
}

enum err accounts_registered(struct exchange *exchange)
{
    if (exchange->step == 1)
        return hash_password(exchange);
    if (exchange->step == 2)
        return insert_account(exchange);
    if (!service_of(exchange)->config->mail.mode)
        return exchange->query.rows.count == 0 ? ERR_EMAIL_TAKEN : created(exchange);
    requested(exchange);
    return ERR_NONE;
}

/* --- the link that was mailed --- */

enum { F_TOKEN };

const struct field accounts_verify_fields[accounts_verify_fields_count] = {
    [F_TOKEN] = {"token", FIELD_SECRET, FIELD_REQUIRED | FIELD_WRITE_ONLY, 1, 256},
};

enum err accounts_verify(struct exchange *exchange)
{
    const struct text *token = &exchange->values[F_TOKEN].text;
    struct query *query;
    struct link link;

    if (!service_of(exchange)->config->mail.mode)
        return ERR_NOT_FOUND;
    if (!link_parse(token->bytes, token->length, &link))
        return service_link_refused(exchange, "verify_email");
    query = exchange_query(exchange, STATEMENT_EMAIL_VERIFY);
    query_bytes(query, arena_copy(exchange->arena, link.hash, sizeof link.hash), sizeof link.hash);
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
    return ERR_NONE;
}

enum err accounts_verified(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return service_link_refused(exchange, "verify_email");
    return created(exchange);
}

/* --- who am I --- */

enum err accounts_me(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_ACCOUNT_ME);

    query_uuid(query, &exchange->principal.account);
    return ERR_NONE;
}

enum err accounts_me_got(struct exchange *exchange)
{
    return render_account(exchange);
}
