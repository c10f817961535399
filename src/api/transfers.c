/*
 * transfers.c: who offers a pet says to whom, by id or by e-mail address, and is never told whether
 * there is such a person: nobody looks. Who it is for, is known when that person looks for offers.
 */
#include "api/transfers.h"

#include "api/service.h"
#include "auth/email.h"
#include "http/page.h"

enum { F_TO_EMAIL, F_TO_ID };
const struct field transfers_fields[transfers_fields_count] = {
    [F_TO_EMAIL] = {"to_email", FIELD_STRING, 0, 3, EMAIL_MAX, .check = email_valid},
    [F_TO_ID] = {"to_id", FIELD_UUID, 0},
};

static const char *const directions[] = {"incoming", "outgoing", NULL};

enum { P_DIRECTION = PAGE_OWN };
const struct field transfers_parameters[transfers_parameters_count] = {
    PAGE_PARAMETERS,
    [P_DIRECTION] = {"direction", FIELD_WORD, 0, .words = directions},
};

/* In the order of the columns of the transfer statements. */
static const struct field shown[] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"pet_id", FIELD_UUID, FIELD_READ_ONLY},
    {"pet_name", FIELD_STRING, FIELD_READ_ONLY},
    {"pet_species", FIELD_WORD, FIELD_READ_ONLY},
    {"from_id", FIELD_UUID, FIELD_READ_ONLY},
    {"from_name", FIELD_STRING, FIELD_READ_ONLY},
    {"to_id", FIELD_UUID, FIELD_READ_ONLY},
    {"to_email", FIELD_STRING, FIELD_READ_ONLY},
    {"state", FIELD_WORD, FIELD_READ_ONLY},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"expires_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"ended_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
};

/* The offer that starts in `column` of the only row. */
static void render(struct exchange *exchange, int column)
{
    fields_render(shown, countof(shown), &exchange->query.rows, 0, column, &exchange->reply.json);
}

static void bind_origin(struct exchange *exchange, struct query *query)
{
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
}

/* --- offering --- */

enum err transfers_check(struct exchange *exchange)
{
    return service_one_given(exchange, F_TO_EMAIL, F_TO_ID, "to_email and to_id");
}

enum err transfers_offer(struct exchange *exchange)
{
    const struct value *email = &exchange->values[F_TO_EMAIL], *to = &exchange->values[F_TO_ID];
    struct query *query = exchange_query(exchange, STATEMENT_TRANSFER_OFFER);
    struct uuid id;

    uuid_v7(&id);
    query_uuid(query, &id);
    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    query_uuid(query, to->given ? &to->uuid : NULL);
    query_text(query, email->given ? email->text.bytes : NULL, email->text.length);
    query_int4(query, exchange->app->worker->config->pets.transfer_days);
    bind_origin(exchange, query);
    return ERR_NONE;
}

/* To oneself. */
static enum err refuse_self(struct exchange *exchange)
{
    violation_add(&exchange->violations, exchange->values[F_TO_ID].given ? "/to_id" : "/to_email",
        NULL, "not_allowed", "The pet is yours already.");
    return ERR_VALIDATION_FAILED;
}

enum err transfers_offered(struct exchange *exchange)
{
    enum { COLUMN_SELF, COLUMN_MANY, COLUMN_ID };
    const struct rows *rows = &exchange->query.rows;
    char id[UUID_SIZE];

    if (rows->count == 0)
        return ERR_NOT_FOUND;
    if (rows_bool(rows, 0, COLUMN_SELF))
        return refuse_self(exchange);
    if (rows_bool(rows, 0, COLUMN_MANY))
        return ERR_TOO_MANY_TRANSFERS;
    if (rows_null(rows, 0, COLUMN_ID))
        return ERR_TRANSFER_OPEN;
    uuid_format(rows_uuid(rows, 0, COLUMN_ID), id);
    exchange->reply.status = 201;
    exchange->reply.location = arena_format(exchange->arena, "/v1/transfers/%s", id);
    render(exchange, COLUMN_ID);
    return ERR_NONE;
}

/* --- looking --- */

enum err transfers_list(struct exchange *exchange)
{
    const struct value *direction = &exchange->parameters[P_DIRECTION];
    const struct uuid *before;
    struct uuid id;
    struct query *query;

    if (!page_before(exchange, &id, &before))
        return ERR_INVALID_CURSOR;
    query = exchange_query(exchange, STATEMENT_TRANSFER_LIST);
    query_uuid(query, &exchange->principal.account);
    query_text(query, direction->given ? direction->text.bytes : NULL, direction->text.length);
    query_uuid(query, before);
    query_int4(query, page_limit(exchange) + 1);
    return ERR_NONE;
}

enum err transfers_listed(struct exchange *exchange)
{
    return page_reply_by_id(exchange, shown, countof(shown));
}

enum err transfers_get(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_TRANSFER_GET);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    return ERR_NONE;
}

enum err transfers_got(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    render(exchange, 0);
    return ERR_NONE;
}

/* --- what becomes of it --- */

enum err transfers_accept(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_TRANSFER_ACCEPT);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    bind_origin(exchange, query);
    return ERR_NONE;
}

static enum err end_by(struct exchange *exchange, const char *verdict)
{
    struct query *query = exchange_query(exchange, STATEMENT_TRANSFER_END);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    query_string(query, verdict);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err transfers_decline(struct exchange *exchange)
{
    return end_by(exchange, "declined");
}

enum err transfers_withdraw(struct exchange *exchange)
{
    return end_by(exchange, "withdrawn");
}

enum err transfers_ended(struct exchange *exchange)
{
    enum { COLUMN_DONE, COLUMN_ID };
    const struct rows *rows = &exchange->query.rows;

    if (rows->count == 0)
        return ERR_NOT_FOUND;
    if (!rows_bool(rows, 0, COLUMN_DONE))
        return ERR_TRANSFER_ENDED;
    render(exchange, COLUMN_ID);
    return ERR_NONE;
}
