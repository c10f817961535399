/*
 * pets_list.c: the list of pets, in any order, with any filters. The list that everybody asks for
 * has a statement of its own. Every other is a walk along the index of its order, which drops what
 * the filters do not want and ends after some thousand pets, however many there are. When the page
 * is not full by then, what is wanted is rare, and is looked up in another index (pet_search); or,
 * if that index does not know it, the page is short, and the next one goes on from there.
 */
#include "api/pets.h"

#include "http/cursor.h"
#include "http/page.h"

#include <ctype.h>

/* Columns of the statements; the walks have the last two. */
enum { COLUMN_NAME = 2, COLUMN_BORN_ON = 6, COLUMN_CREATED_AT = 11 };
enum { COLUMN_MATCHED = pets_fields_count, COLUMN_LAST };

static const char *const sorts[] = {
    "name", "-name", "born_on", "-born_on", "created_at", "-created_at", NULL};
static const char *const counts[] = {"estimated", NULL};
static const char *const names[] = {"id", "owner_id", "name", "species", "breed", "sex", "born_on",
    "weight_grams", "microchip", "notes", "tags", "created_at", "updated_at", "version", NULL};

_Static_assert(countof(names) == pets_fields_count + 1, "every field can be asked for");

enum {
    P_SORT = PAGE_OWN,
    P_FIELDS,
    P_COUNT,
    P_SPECIES,
    P_SEX,
    P_TAG,
    P_BORN_AFTER,
    P_BORN_BEFORE,
    P_MICROCHIP,
    P_Q,
    P_OWNER
};

const struct field pets_list_parameters[pets_list_parameters_count] = {
    PAGE_PARAMETERS,
    [P_SORT] = {"sort", FIELD_WORD, 0, .words = sorts},
    [P_FIELDS] = {"fields", FIELD_STRINGS, FIELD_VIEW, .items = pets_fields_count, .words = names},
    [P_COUNT] = {"count", FIELD_WORD, FIELD_VIEW, .words = counts},
    [P_SPECIES] = {"species", FIELD_WORD, 0, .words = pets_species},
    [P_SEX] = {"sex", FIELD_WORD, 0, .words = pets_sexes},
    [P_TAG] = {"tag", FIELD_STRING, 0, 1, 32},
    [P_BORN_AFTER] = {"born_after", FIELD_DATE, 0},
    [P_BORN_BEFORE] = {"born_before", FIELD_DATE, 0},
    [P_MICROCHIP] = {"microchip", FIELD_DIGITS, 0, 15, 15},
    [P_Q] = {"q", FIELD_STRING, 0, 1, 80},
    [P_OWNER] = {"owner_id", FIELD_UUID, 0},
};

/* What a list is sorted by: its walk, and the column of its key. */
static const struct order {
    const char *sort; /* NULL: newest first, by id alone */
    enum statement_id walk;
    int column; /* -1: none */
} orders[] = {
    {NULL, STATEMENT_PET_LIST_NEWEST, -1},
    {"name", STATEMENT_PET_LIST_NAME, COLUMN_NAME},
    {"-name", STATEMENT_PET_LIST_NAME_DESC, COLUMN_NAME},
    {"born_on", STATEMENT_PET_LIST_BORN, COLUMN_BORN_ON},
    {"-born_on", STATEMENT_PET_LIST_BORN_DESC, COLUMN_BORN_ON},
    {"created_at", STATEMENT_PET_LIST_CREATED, COLUMN_CREATED_AT},
    {"-created_at", STATEMENT_PET_LIST_CREATED_DESC, COLUMN_CREATED_AT},
};

/* What is asked for, while it takes more than one query. */
struct listing {
    const struct order *order;
    bool behind; /* a pet, whose id and key are: */
    struct uuid id;
    struct text key;
    enum { LISTING_COUNT, LISTING_PLAIN, LISTING_WALK, LISTING_SEARCH, LISTING_CHIP } step;
    bool counted;
    int64_t count;
};

static bool given(const struct exchange *exchange, int parameter)
{
    return exchange->parameters[parameter].given;
}

/* Whether any of the filters first..last is given. */
static bool filtered(const struct exchange *exchange, int first, int last)
{
    for (int i = first; i <= last; i++)
        if (given(exchange, i))
            return true;
    return false;
}

/* --- binding --- */

static void bind_text(const struct exchange *exchange, int parameter, struct query *query)
{
    const struct value *value = &exchange->parameters[parameter];

    if (value->given)
        query_text(query, value->text.bytes, value->text.length);
    else
        query_null(query);
}

static void bind_date(const struct exchange *exchange, int parameter, struct query *query)
{
    const struct value *value = &exchange->parameters[parameter];

    if (value->given)
        query_date(query, (int32_t)value->number);
    else
        query_null(query);
}

static void bind_owner(const struct exchange *exchange, struct query *query)
{
    query_uuid(query, given(exchange, P_OWNER) ? &exchange->parameters[P_OWNER].uuid : NULL);
}

static void bind_filters(const struct exchange *exchange, struct query *query)
{
    bind_text(exchange, P_SPECIES, query);
    bind_text(exchange, P_SEX, query);
    bind_text(exchange, P_TAG, query);
    bind_date(exchange, P_BORN_AFTER, query);
    bind_date(exchange, P_BORN_BEFORE, query);
    bind_text(exchange, P_Q, query);
}

static void bind_origin(const struct exchange *exchange, struct query *query)
{
    query_string(query, exchange->request.id);
    query_inet(query, exchange->request.address);
}

/* The key of the pet that the page begins behind; one that is not known is null. */
static void bind_key(const struct listing *listing, struct query *query)
{
    if (listing->behind && listing->key.length > 0)
        query_cell(query, listing->key.bytes, listing->key.length);
    else
        query_null(query);
}

/* --- asking --- */

static enum err ask_count(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_COUNT);

    bind_owner(exchange, query);
    bind_filters(exchange, query);
    return ERR_NONE;
}

static enum err ask_plain(struct exchange *exchange, const struct listing *listing)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_LIST);

    query_uuid(query, &exchange->principal.account);
    bind_owner(exchange, query);
    query_uuid(query, listing->behind ? &listing->id : NULL);
    query_int4(query, page_limit(exchange) + 1);
    bind_origin(exchange, query);
    return ERR_NONE;
}

static enum err ask_chip(struct exchange *exchange)
{
    struct query *query = exchange_query(exchange, STATEMENT_PET_LIST_MICROCHIP);

    query_uuid(query, &exchange->principal.account);
    bind_owner(exchange, query);
    bind_text(exchange, P_MICROCHIP, query);
    bind_filters(exchange, query);
    bind_origin(exchange, query);
    return ERR_NONE;
}

static enum err ask_walk(struct exchange *exchange, const struct listing *listing)
{
    struct query *query = exchange_query(exchange, listing->order->walk);

    query_uuid(query, &exchange->principal.account);
    bind_owner(exchange, query);
    query_uuid(query, listing->behind ? &listing->id : NULL);
    bind_filters(exchange, query);
    query_int4(query, page_limit(exchange) + 1);
    bind_origin(exchange, query);
    if (listing->order->column >= 0)
        bind_key(listing, query);
    return ERR_NONE;
}

static enum err ask_search(struct exchange *exchange, const struct listing *listing)
{
    static const int keys[] = {COLUMN_NAME, COLUMN_BORN_ON, COLUMN_CREATED_AT};
    struct query *query = exchange_query(exchange, STATEMENT_PET_SEARCH);

    bind_owner(exchange, query);
    query_string(query, listing->order->sort);
    query_uuid(query, listing->behind ? &listing->id : NULL);
    for (size_t i = 0; i < countof(keys); i++)
        if (listing->order->column == keys[i])
            bind_key(listing, query);
        else
            query_null(query);
    bind_filters(exchange, query);
    query_int4(query, page_limit(exchange) + 1);
    return ERR_NONE;
}

static enum err ask_page(struct exchange *exchange, struct listing *listing)
{
    if (given(exchange, P_MICROCHIP)) {
        listing->step = LISTING_CHIP;
        return ask_chip(exchange);
    }
    if (!given(exchange, P_SORT) && !filtered(exchange, P_SPECIES, P_Q)) {
        listing->step = LISTING_PLAIN;
        return ask_plain(exchange, listing);
    }
    listing->step = LISTING_WALK;
    return ask_walk(exchange, listing);
}

static const struct order *find_order(const struct exchange *exchange)
{
    const struct value *sort = &exchange->parameters[P_SORT];

    for (size_t i = 1; i < countof(orders); i++)
        if (sort->given && strcmp(orders[i].sort, sort->text.bytes) == 0)
            return &orders[i];
    return &orders[0];
}

/* Whether a key is as wide as one of this order is; nothing else is ever sealed. */
static bool key_fits(const struct order *order, const struct text *key)
{
    switch (order->column) {
    case COLUMN_NAME:
        return key->length > 0;
    case COLUMN_BORN_ON:
        return key->length == 0 || key->length == 4;
    case COLUMN_CREATED_AT:
        return key->length == 8;
    default:
        return key->length == 0;
    }
}

enum err pets_list(struct exchange *exchange)
{
    struct listing *listing = arena_zalloc(exchange->arena, sizeof *listing);
    struct text position;

    exchange->memory = listing;
    listing->order = find_order(exchange);
    if (!page_position(exchange, &position))
        return ERR_INVALID_CURSOR;
    listing->behind = position.bytes != NULL;
    if (listing->behind && (!cursor_key(&position, &listing->id, &listing->key) ||
                               !key_fits(listing->order, &listing->key)))
        return ERR_INVALID_CURSOR;
    if (!given(exchange, P_COUNT) || given(exchange, P_MICROCHIP))
        return ask_page(exchange, listing);
    listing->step = LISTING_COUNT;
    return ask_count(exchange);
}

/* --- answering --- */

/* Bit 0 is the first of pets_fields. */
static uint32_t fields_shown(const struct exchange *exchange)
{
    const struct value *wanted = &exchange->parameters[P_FIELDS];
    uint32_t shown = 0;

    if (!wanted->given)
        return UINT32_MAX;
    for (size_t i = 0; i < wanted->count; i++)
        for (size_t j = 0; j < pets_fields_count; j++)
            if (strlen(names[j]) == wanted->texts[i].length &&
                memcmp(names[j], wanted->texts[i].bytes, wanted->texts[i].length) == 0)
                shown |= UINT32_C(1) << j;
    return shown;
}

static struct text position_of(
    const struct exchange *exchange, const struct listing *listing, int row)
{
    const struct rows *rows = &exchange->query.rows;
    struct text key = {NULL, 0};

    if (listing->order->column >= 0)
        key.bytes = rows_text(rows, row, listing->order->column, &key.length);
    return cursor_of_key(exchange->arena, rows_uuid(rows, row, 0), &key);
}

static bool is_walk(const struct listing *listing)
{
    return listing->step == LISTING_WALK;
}

/* Renders the pets of the page, and returns how many rows that took. */
static int render_page(struct exchange *exchange, const struct listing *listing)
{
    const struct rows *rows = &exchange->query.rows;
    uint32_t shown = fields_shown(exchange);
    int32_t room = page_limit(exchange);
    int row = 0;

    for (; row < rows->count && room > 0; row++) {
        if (is_walk(listing) && !rows_bool(rows, row, COLUMN_MATCHED))
            continue;
        fields_render_some(
            pets_fields, pets_fields_count, shown, rows, row, 0, &exchange->reply.json);
        room--;
    }
    return row;
}

static enum err answer_page(struct exchange *exchange, struct listing *listing)
{
    const struct rows *rows = &exchange->query.rows;
    bool more;
    int taken;
    struct text last;

    page_begin(exchange);
    taken = render_page(exchange, listing);
    /* The next page begins behind the last pet of this one, or where a walk has ended. */
    more = taken < rows->count ||
           (is_walk(listing) && taken > 0 && rows_bool(rows, taken - 1, COLUMN_LAST));
    if (more)
        last = position_of(exchange, listing, taken - 1);
    if (listing->step == LISTING_CHIP) {
        listing->counted = given(exchange, P_COUNT);
        listing->count = rows->count;
    }
    return page_end(exchange, more ? &last : NULL, listing->counted ? &listing->count : NULL);
}

/* Whether a walk has come to its bound, and what it has found does not fill the page. */
static bool came_short(const struct exchange *exchange)
{
    const struct rows *rows = &exchange->query.rows;
    int32_t matched = 0;

    if (rows->count == 0 || !rows_bool(rows, rows->count - 1, COLUMN_LAST))
        return false;
    for (int row = 0; row < rows->count; row++)
        matched += rows_bool(rows, row, COLUMN_MATCHED) ? 1 : 0;
    return matched < page_limit(exchange);
}

/* Whether the index of pet_search knows a piece of a name: it has three letters or digits in a
 * row. What is not ASCII is taken for a letter. */
static bool has_trigram(const struct text *q)
{
    int run = 0;

    for (size_t i = 0; i < q->length && run < 3; i++) {
        unsigned char byte = (unsigned char)q->bytes[i];

        if (byte >= 0x80 || isalnum(byte))
            run += (byte & 0xc0) == 0x80 ? 0 : 1;
        else
            run = 0;
    }
    return run == 3;
}

static bool searchable(const struct exchange *exchange)
{
    if (given(exchange, P_Q))
        return has_trigram(&exchange->parameters[P_Q].text);
    return filtered(exchange, P_SPECIES, P_BORN_BEFORE);
}

enum err pets_listed(struct exchange *exchange)
{
    struct listing *listing = exchange->memory;

    if (given(exchange, P_OWNER) && !exchange->query.admin)
        return ERR_FORBIDDEN;
    if (listing->step == LISTING_COUNT) {
        listing->counted = true;
        listing->count = rows_int8(&exchange->query.rows, 0, 0);
        return ask_page(exchange, listing);
    }
    if (is_walk(listing) && came_short(exchange) && searchable(exchange)) {
        listing->step = LISTING_SEARCH;
        return ask_search(exchange, listing);
    }
    return answer_page(exchange, listing);
}
