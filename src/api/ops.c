/*
 * ops.c: what operators and their tools ask. Alive means that the process answers; ready means that
 * a request would be served: the pool is not stopping and the database answers. The rest is one
 * look at the scoreboard (status.h), rendered for a program, a terminal or a person.
 */
#include "api/ops.h"

#include "api/metrics.h"
#include "api/service.h"
#include "api/status.h"
#include "api/status_html.h"

enum { P_FORMAT, P_FULL };

/* In the order of preference when Accept makes no difference. */
static const char *const formats[] = {"json", "text", "html", NULL};
static const char *const media_types[] = {"application/json", "text/plain", "text/html"};
enum { FORMAT_JSON, FORMAT_TEXT, FORMAT_HTML, FORMATS };

/* ?full says yes, as ?full=1 does. */
static bool is_flag(const char *text, size_t length)
{
    return length == 0 || text[0] == '0' || text[0] == '1';
}

const struct field ops_status_parameters[ops_status_parameters_count] = {
    [P_FORMAT] = {"format", FIELD_WORD, 0, .words = formats},
    [P_FULL] = {"full", FIELD_STRING, 0, 0, 1, .check = is_flag},
};

enum err ops_live(struct exchange *exchange)
{
    struct json_out *json = &exchange->reply.json;

    json_open_object(json);
    json_key(json, "status");
    json_put_string(json, "live");
    json_close_object(json);
    return ERR_NONE;
}

enum err ops_ready(struct exchange *exchange)
{
    if (service_of(exchange)->scoreboard->draining != 0)
        return ERR_SHUTTING_DOWN;
    exchange_query(exchange, STATEMENT_READY);
    return ERR_NONE;
}

enum err ops_ready_known(struct exchange *exchange)
{
    struct json_out *json = &exchange->reply.json;

    if (exchange->query.rows.count != 1)
        return ERR_INTERNAL;
    json_open_object(json);
    json_key(json, "status");
    json_put_string(json, "ready");
    json_key(json, "schema_version");
    json_put_int(json, rows_int4(&exchange->query.rows, 0, 0));
    json_close_object(json);
    return ERR_NONE;
}

/* The word of ?format=, or else what Accept likes best; FORMATS when it likes none. */
static unsigned choose_format(const struct exchange *exchange)
{
    const struct value *given = &exchange->parameters[P_FORMAT];
    unsigned best = FORMATS;
    int best_quality = 0;

    for (unsigned i = 0; i < FORMATS; i++) {
        int quality = accept_quality(exchange->request.accept, media_types[i]);

        if (given->given && strcmp(given->text.bytes, formats[i]) == 0)
            return i;
        if (quality > best_quality) {
            best = i;
            best_quality = quality;
        }
    }
    return best;
}

enum err ops_status(struct exchange *exchange)
{
    const struct value *flag = &exchange->parameters[P_FULL];
    bool full = flag->given && flag->text.bytes[0] != '0';
    unsigned format = choose_format(exchange);
    const struct status *status;

    exchange->reply.vary = "Accept";
    if (format == FORMATS) {
        exchange->detail = "The status is offered as application/json, text/plain and text/html.";
        return ERR_NOT_ACCEPTABLE;
    }
    status = status_take(exchange);
    if (format == FORMAT_JSON) {
        status_json(status, exchange, full);
    } else if (format == FORMAT_TEXT) {
        exchange->reply.content_type = "text/plain; charset=utf-8";
        status_text(status, exchange, full);
    } else {
        exchange->reply.content_type = "text/html; charset=utf-8";
        status_html(status, exchange);
    }
    return ERR_NONE;
}

enum err ops_metrics(struct exchange *exchange)
{
    exchange->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(status_take(exchange), exchange);
    return ERR_NONE;
}
