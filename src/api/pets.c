/*
 * pets.c: pets, one by one (pets_list.c has the list). Whose pet it is, is decided by the
 * statements (the caller's own, or an administrator) and by row-level security below them; what the
 * handlers see is what the caller may see.
 */
#include "api/pets.h"

#include "http/cursor.h"
#include "http/page.h"
#include "http/precondition.h"

enum { FIELD_MICROCHIP = 8 };

/* Columns of the pet statements that the handlers look at, counted from the row's id. */
enum { COLUMN_ID = 0, COLUMN_VERSION = 13 };

const char *const pets_species[] = {
    "dog", "cat", "bird", "fish", "rabbit", "rodent", "reptile", "horse", "other", NULL};
const char *const pets_sexes[] = {"female", "male", "unknown", NULL};

const struct field pets_fields[pets_fields_count] = {
    {"id", FIELD_UUID, FIELD_READ_ONLY},
    {"owner_id", FIELD_UUID, FIELD_READ_ONLY},
    {"name", FIELD_STRING, FIELD_REQUIRED, 1, 80},
    {"species", FIELD_WORD, FIELD_REQUIRED, .words = pets_species},
    {"breed", FIELD_STRING, FIELD_NULLABLE, 1, 80},
    {"sex", FIELD_WORD, 0, .words = pets_sexes, .initial = "unknown"},
    {"born_on", FIELD_DATE, FIELD_NULLABLE | FIELD_PAST},
    {"weight_grams", FIELD_INTEGER, FIELD_NULLABLE, 1, 2000000},
    {"microchip", FIELD_DIGITS, FIELD_NULLABLE, 15, 15},
    {"notes", FIELD_TEXT, FIELD_NULLABLE, 0, 2000},
    {"tags", FIELD_STRINGS, 0, 1, 32, 16},
    {"created_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"updated_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"version", FIELD_INTEGER, FIELD_READ_ONLY},
};

const struct field pets_history_parameters[pets_history_parameters_count] = {
    PAGE_PARAMETERS,
};

static const struct field history_fields[] = {
    {"version", FIELD_INTEGER, FIELD_READ_ONLY},
    {"action", FIELD_WORD, FIELD_READ_ONLY},
    {"actor_id", FIELD_UUID, FIELD_READ_ONLY},
    {"changed_at", FIELD_TIMESTAMP, FIELD_READ_ONLY},
    {"old", FIELD_JSON, FIELD_READ_ONLY},
    {"new", FIELD_JSON, FIELD_READ_ONLY},
};

/* Who asked, for the audit: every pet statement ends with these two. */
static void bind_origin(struct exchange *exchange, struct query *query)
{
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
}

/* --- one pet --- */

/* The pet that starts in `column` of the only row, with its entity tag. */
static void render_pet(struct exchange *exchange, int column)
{
    const struct rows *rows = &exchange->query.rows;

    exchange->reply.version = rows_int4(rows, 0, column + COLUMN_VERSION);
    fields_render(pets_fields, pets_fields_count, rows, 0, column, &exchange->reply.json);
}

enum err pets_create(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_CREATE);
    struct uuid id;

    uuid_v7(&id);
    query_uuid(query, &id);
    query_uuid(query, &exchange->principal.account);
    fields_bind(pets_fields, pets_fields_count, exchange->values, query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_created(struct exchange *exchange)
{
    char id[UUID_SIZE];

    if (exchange->query.rows.count != 1)
        return ERR_INTERNAL;
    uuid_format(rows_uuid(&exchange->query.rows, 0, COLUMN_ID), id);
    exchange->reply.status = 201;
    exchange->reply.location = arena_format(exchange->arena, "/v1/pets/%s", id);
    render_pet(exchange, 0);
    return ERR_NONE;
}

/* --- many pets --- */

/* Two of one list with the same microchip: the second is refused here, where its place is known. */
enum err pets_check_batch(struct exchange *exchange)
{
    const struct value *items = exchange->items;

    for (size_t i = 1; i < exchange->item_count; i++) {
        const struct text *chip = &items[i * pets_fields_count + FIELD_MICROCHIP].text;

        for (size_t j = 0; j < i && chip->length > 0; j++) {
            const struct text *other = &items[j * pets_fields_count + FIELD_MICROCHIP].text;

            if (other->length != chip->length ||
                memcmp(other->bytes, chip->bytes, chip->length) != 0)
                continue;
            violation_add(&exchange->violations, arena_format(exchange->arena, "/%zu/microchip", i),
                NULL, "duplicate",
                arena_format(exchange->arena, "It is that of item %zu, too.", j));
            break;
        }
    }
    return ERR_NONE;
}

enum err pets_create_batch(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_CREATE_BATCH);
    struct json_out json;
    struct buf text;

    buf_init(&text, exchange->arena, exchange->request.body.length + 4096);
    json_out_init(&json, &text);
    json_open_array(&json);
    for (size_t i = 0; i < exchange->item_count; i++) {
        struct uuid id;

        uuid_v7(&id);
        json_open_object(&json);
        json_key(&json, "id");
        json_put_uuid(&json, &id);
        fields_write(
            pets_fields, pets_fields_count, &exchange->items[i * pets_fields_count], &json);
        json_close_object(&json);
    }
    json_close_array(&json);
    query_uuid(query, &exchange->principal.account);
    query_json(query, text.data, text.length);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_batch_created(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct json_out *json = &exchange->reply.json;

    if ((size_t)rows->count != exchange->item_count)
        return ERR_INTERNAL;
    exchange->reply.status = 201;
    json_open_object(json);
    json_key(json, "items");
    json_open_array(json);
    for (int row = 0; row < rows->count; row++)
        fields_render(pets_fields, pets_fields_count, rows, row, 0, json);
    json_close_array(json);
    json_close_object(json);
    return ERR_NONE;
}

/* --- one pet, again --- */

enum err pets_get(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_GET);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_got(struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    render_pet(exchange, 0);
    return ERR_NONE;
}

/* Did the statement find the pet, and at a version that If-Match allows? */
static enum err check_match(const struct exchange *exchange)
{
    if (exchange->query.rows.count == 0)
        return ERR_NOT_FOUND;
    return rows_bool(&exchange->query.rows, 0, 0) ? ERR_NONE : ERR_PRECONDITION_FAILED;
}

enum err pets_change(struct exchange *exchange)
{
    bool whole = exchange->route->body == BODY_JSON;
    struct query *query = exchange_query(exchange, STATEMENT_PET_UPDATE);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    precondition_bind(query, exchange->request.if_match, exchange->request.if_none_match);
    query_int4(
        query, whole ? INT32_MAX : fields_mask(pets_fields, pets_fields_count, exchange->values));
    fields_bind(pets_fields, pets_fields_count, exchange->values, query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_changed(struct exchange *exchange)
{
    enum err err = check_match(exchange);

    if (err == ERR_NONE)
        render_pet(exchange, 1);
    return err;
}

enum err pets_delete(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_DELETE);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    precondition_bind(query, exchange->request.if_match, exchange->request.if_none_match);
    query_int4(query, exchange->app->worker->config->pets.restore_days);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_deleted(struct exchange *exchange)
{
    exchange->reply.status = 204;
    return check_match(exchange);
}

enum err pets_restore(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_RESTORE);

    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    bind_origin(exchange, query);
    return ERR_NONE;
}

/* --- history --- */

enum err pets_history(struct exchange *exchange)
{
    struct text position;
    int32_t before;
    struct query *query;

    if (!page_position(exchange, &position) ||
        (position.bytes != NULL && !cursor_version(&position, &before)))
        return ERR_INVALID_CURSOR;
    query = exchange_query(exchange, STATEMENT_PET_HISTORY);
    query_uuid(query, &exchange->id);
    query_uuid(query, &exchange->principal.account);
    if (position.bytes != NULL)
        query_int4(query, before);
    else
        query_null(query);
    query_int4(query, page_limit(exchange) + 1);
    bind_origin(exchange, query);
    return ERR_NONE;
}

enum err pets_history_listed(struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    struct text last;

    /* Every pet has the row of its creation: only behind a cursor can there be none. */
    if (rows->count == 0 && !exchange->parameters[PAGE_CURSOR].given)
        return ERR_NOT_FOUND;
    if (!page_more(exchange))
        return page_reply(exchange, history_fields, countof(history_fields), NULL);
    last = cursor_of_version(exchange->arena, rows_int4(rows, page_limit(exchange) - 1, 0));
    return page_reply(exchange, history_fields, countof(history_fields), &last);
}
