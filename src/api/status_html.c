/*
 * status_html.c: the page for people.
 */
#include "api/status_html.h"

void status_html(const struct status *status, struct exchange *exchange)
{
    buf_printf(&exchange->reply.body,
        "<!DOCTYPE html><html><head><title>%s</title></head><body></body></html>\n", status->pool);
}
