/*
 * routes.c: the table of routes. Adding a capability is adding a file beside pets.c and its rows
 * here.
 */
#include "api/routes.h"

#include "api/accounts.h"
#include "api/api_keys.h"
#include "api/login.h"
#include "api/login_factor.h"
#include "api/ops.h"
#include "api/passwords.h"
#include "api/pets.h"
#include "api/resets.h"
#include "api/second_factor.h"
#include "api/sessions.h"
#include "api/step_up.h"
#include "api/transfers.h"
#include "api/users.h"
#include "http/field_print.h"
#include "pool/scoreboard.h"

#define BODY(kind, table) .body = BODY_##kind, .fields = table, .field_count = table##_count
#define QUERY(table)      .parameters = table, .parameter_count = table##_count

/* What an API key may be good for. */
#define SCOPE_READ  "pets:read"
#define SCOPE_WRITE "pets:write"

static const struct route table[] = {
    ROUTE(GET, "/v1/pets", ROUTE_API, USER, pets_list, pets_listed, QUERY(pets_list_parameters),
        .scope = SCOPE_READ),
    ROUTE(POST, "/v1/pets", ROUTE_API, USER, pets_create, pets_created, BODY(JSON, pets_fields),
        .scope = SCOPE_WRITE, .repeats = true),
    ROUTE(POST, "/v1/pets:batch", ROUTE_API, USER, pets_create_batch, pets_batch_created,
        BODY(LIST, pets_fields), .check = pets_check_batch, .scope = SCOPE_WRITE, .repeats = true),
    ROUTE(GET, "/v1/pets/{id}", ROUTE_API, USER, pets_get, pets_got, .body = BODY_NONE,
        .scope = SCOPE_READ),
    ROUTE(PUT, "/v1/pets/{id}", ROUTE_API, USER, pets_change, pets_changed, BODY(JSON, pets_fields),
        .scope = SCOPE_WRITE),
    ROUTE(PATCH, "/v1/pets/{id}", ROUTE_API, USER, pets_change, pets_changed,
        BODY(MERGE, pets_fields), .scope = SCOPE_WRITE),
    ROUTE(DELETE, "/v1/pets/{id}", ROUTE_API, USER, pets_delete, pets_deleted, .body = BODY_NONE,
        .scope = SCOPE_WRITE),
    ROUTE(POST, "/v1/pets/{id}/restore", ROUTE_API, USER, pets_restore, pets_got, .body = BODY_NONE,
        .scope = SCOPE_WRITE, .repeats = true),
    ROUTE(POST, "/v1/pets/{id}/transfers", ROUTE_API, USER, transfers_offer, transfers_offered,
        BODY(JSON, transfers_fields), .check = transfers_check, .repeats = true),
    ROUTE(GET, "/v1/pets/{id}/history", ROUTE_API, USER, pets_history, pets_history_listed,
        QUERY(pets_history_parameters), .scope = SCOPE_READ),

    ROUTE(GET, "/v1/transfers", ROUTE_API, USER, transfers_list, transfers_listed,
        QUERY(transfers_parameters), .scope = SCOPE_READ),
    ROUTE(GET, "/v1/transfers/{id}", ROUTE_API, USER, transfers_get, transfers_got,
        .body = BODY_NONE, .scope = SCOPE_READ),
    ROUTE(POST, "/v1/transfers/{id}/accept", ROUTE_API, USER, transfers_accept, transfers_ended,
        .body = BODY_NONE, .repeats = true),
    ROUTE(POST, "/v1/transfers/{id}/decline", ROUTE_API, USER, transfers_decline, transfers_ended,
        .body = BODY_NONE, .repeats = true),
    ROUTE(POST, "/v1/transfers/{id}/withdraw", ROUTE_API, USER, transfers_withdraw, transfers_ended,
        .body = BODY_NONE, .repeats = true),

    ROUTE(POST, "/v1/auth/register", ROUTE_AUTH, PUBLIC, accounts_register, accounts_registered,
        BODY(JSON, accounts_register_fields), .check = accounts_register_check),
    ROUTE(POST, "/v1/auth/verify-email", ROUTE_AUTH, PUBLIC, accounts_verify, accounts_verified,
        BODY(JSON, accounts_verify_fields)),
    ROUTE(POST, "/v1/auth/password-reset", ROUTE_AUTH, PUBLIC, resets_request, resets_requested,
        BODY(JSON, resets_request_fields)),
    ROUTE(POST, "/v1/auth/password-reset/confirm", ROUTE_AUTH, PUBLIC, resets_confirm,
        resets_confirm_next, BODY(JSON, resets_confirm_fields)),
    ROUTE(GET, "/v1/me", ROUTE_AUTH, USER, accounts_me, accounts_me_got, .body = BODY_NONE),
    ROUTE(PUT, "/v1/me/password", ROUTE_AUTH, USER, passwords_change, passwords_change_next,
        BODY(JSON, passwords_fields)),
    ROUTE(GET, "/v1/me/sessions", ROUTE_AUTH, USER, sessions_list, sessions_listed,
        QUERY(sessions_parameters)),
    ROUTE(DELETE, "/v1/me/sessions/{id}", ROUTE_AUTH, USER, sessions_end, sessions_ended,
        .body = BODY_NONE),
    ROUTE(GET, "/v1/me/api-keys", ROUTE_AUTH, USER, api_keys_list, api_keys_listed,
        QUERY(api_keys_parameters)),
    ROUTE(POST, "/v1/me/api-keys", ROUTE_AUTH, USER, api_keys_create, api_keys_created,
        BODY(JSON, api_keys_fields), .step_up = true),
    ROUTE(DELETE, "/v1/me/api-keys/{id}", ROUTE_AUTH, USER, api_keys_revoke, api_keys_revoked,
        .body = BODY_NONE),
    ROUTE(POST, "/v1/auth/login", ROUTE_AUTH, PUBLIC, login_ask, login_next,
        BODY(JSON, login_fields)),
    ROUTE(POST, "/v1/auth/login/second-factor", ROUTE_AUTH, PUBLIC, login_factor_ask,
        login_factor_next, BODY(JSON, login_factor_fields)),
    ROUTE(POST, "/v1/auth/step-up", ROUTE_AUTH, USER, step_up_ask, step_up_next,
        BODY(JSON, step_up_fields)),
    ROUTE(GET, "/v1/me/second-factor", ROUTE_AUTH, USER, second_factor_get, second_factor_got,
        .body = BODY_NONE),
    ROUTE(POST, "/v1/me/second-factor", ROUTE_AUTH, USER, second_factor_enrol,
        second_factor_enrolled, .body = BODY_NONE, .step_up = true),
    ROUTE(POST, "/v1/me/second-factor/confirm", ROUTE_AUTH, USER, second_factor_confirm,
        second_factor_confirm_next, BODY(JSON, second_factor_fields)),
    ROUTE(DELETE, "/v1/me/second-factor", ROUTE_AUTH, USER, second_factor_remove,
        second_factor_removed, .body = BODY_NONE, .step_up = true),
    ROUTE(POST, "/v1/me/recovery-codes", ROUTE_AUTH, USER, second_factor_renew_codes,
        second_factor_codes_renewed, .body = BODY_NONE, .step_up = true),
    ROUTE(POST, "/v1/auth/refresh", ROUTE_AUTH, PUBLIC, sessions_refresh, sessions_refreshed,
        BODY(JSON, sessions_refresh_fields)),
    ROUTE(POST, "/v1/auth/logout", ROUTE_AUTH, USER, sessions_logout, sessions_logged_out,
        BODY(OPTIONAL, sessions_logout_fields)),

    ROUTE(GET, "/v1/users", ROUTE_AUTH, ADMIN, users_list, users_listed, QUERY(users_parameters)),
    ROUTE(GET, "/v1/users/{id}", ROUTE_AUTH, ADMIN, users_get, users_got, .body = BODY_NONE),
    ROUTE(PATCH, "/v1/users/{id}", ROUTE_AUTH, ADMIN, users_change, users_changed,
        BODY(MERGE, users_fields), .step_up = true),
    ROUTE(POST, "/v1/users/{id}/revoke", ROUTE_AUTH, ADMIN, users_revoke, users_revoked,
        BODY(JSON, users_revoke_fields), .step_up = true),
    ROUTE(POST, "/v1/users/{id}/reset-link", ROUTE_AUTH, ADMIN, users_reset_link,
        users_reset_link_made, BODY(JSON, users_revoke_fields), .step_up = true),

    ROUTE(
        GET, "/.well-known/jwks.json", ROUTE_AUTH, PUBLIC, sessions_jwks, NULL, .negotiates = true),

    ROUTE(GET, "/live", ROUTE_OPS, PUBLIC, ops_live, NULL, .negotiates = true),
    ROUTE(GET, "/ready", ROUTE_OPS, PUBLIC, ops_ready, ops_ready_known, .negotiates = true),
    ROUTE(GET, "/status", ROUTE_OPS, PUBLIC, ops_status, NULL, QUERY(ops_status_parameters),
        .negotiates = true),
    ROUTE(GET, "/metrics", ROUTE_OPS, PUBLIC, ops_metrics, NULL, .negotiates = true),
};

_Static_assert(
    countof(table) <= SCOREBOARD_ROUTES, "the scoreboard counts SCOREBOARD_ROUTES routes");

const struct route_table routes = {table, countof(table)};

const char *routes_name(unsigned index)
{
    static char name[ROUTE_NAME_SIZE];

    return index < countof(table) ? route_name(&table[index], name, sizeof name) : "-";
}

void routes_print(FILE *out)
{
    static const char *const access[] = {
        [ACCESS_PUBLIC] = "public", [ACCESS_USER] = "user", [ACCESS_ADMIN] = "admin"};

    for (size_t i = 0; i < countof(table); i++) {
        const struct route *route = &table[i];

        fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n",
            route->pools == ROUTE_API    ? "api"
            : route->pools == ROUTE_AUTH ? "auth"
                                         : "ops",
            method_name(route->method), route->path, access[route->access],
            route->scope == NULL ? "-" : route->scope,
            route->step_up   ? "step-up"
            : route->repeats ? "repeats"
                             : "-");
    }
}

static void print_fields_of(FILE *out, const struct route *route, const char *where,
    const struct field *fields, size_t count)
{
    char before[128];

    snprintf(before, sizeof before, "%s\t%s\t%s", method_name(route->method), route->path, where);
    field_print(out, before, fields, count);
}

void routes_print_fields(FILE *out)
{
    static const char *const bodies[] = {[BODY_NONE] = "none",
        [BODY_JSON] = "json",
        [BODY_OPTIONAL] = "optional",
        [BODY_MERGE] = "merge",
        [BODY_LIST] = "list"};

    for (size_t i = 0; i < countof(table); i++) {
        const struct route *route = &table[i];

        print_fields_of(out, route, "query", route->parameters, route->parameter_count);
        print_fields_of(out, route, bodies[route->body], route->fields, route->field_count);
    }
}
