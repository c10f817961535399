/*
 * html.c: pieces of a page.
 */
#include "api/html.h"

#include "api/status.h"

void html_text(struct buf *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '&')
            buf_puts(out, "&amp;");
        else if (*text == '<')
            buf_puts(out, "&lt;");
        else if (*text == '>')
            buf_puts(out, "&gt;");
        else if (*text == '"')
            buf_puts(out, "&quot;");
        else
            buf_putc(out, *text);
    }
}

void html_number(struct buf *out, uint64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            buf_putc(out, ',');
        buf_putc(out, digits[i]);
    }
}

void html_decimal(struct buf *out, double number)
{
    if (number >= 99.95)
        html_number(out, (uint64_t)(number + 0.5));
    else
        buf_printf(out, "%.*f", number >= 9.995 ? 1 : 2, number);
}

void html_duration(struct buf *out, int64_t us)
{
    char text[STATUS_WORD], *unit;

    status_duration(us, text);
    unit = strstr(text, " us");
    html_text(out, unit == NULL ? text : "");
    if (unit != NULL)
        buf_printf(out, "%.*s µs", (int)(unit - text), text);
}

void html_age(struct buf *out, int64_t us)
{
    char text[STATUS_WORD];

    html_text(out, status_age(us, text));
}

static double percent(double part, double whole)
{
    return whole > 0 ? MIN(part * 100 / whole, 100) : 0;
}

void html_part(struct buf *out, const char *colour, double part, double whole)
{
    if (part > 0)
        buf_printf(
            out, "<i class=\"%s-f\" style=\"width:%.2f%%\"></i>", colour, percent(part, whole));
}

void html_gauge(struct buf *out, double part, double whole)
{
    double full = percent(part, whole);

    buf_puts(out, "<div class=\"bar gauge\">");
    html_part(out, full < 50 ? "ok" : full < 80 ? "warn" : "bad", part, whole);
    buf_puts(out, "</div>");
}

void html_legend(struct buf *out, const char *colour, const char *name, double part, double whole)
{
    double share = percent(part, whole);

    buf_printf(out, "<span><i class=\"%s-f\"></i>", colour);
    html_text(out, name);
    buf_printf(out, "<b>%.*f %%</b></span>", share > 0 && share < 9.95 ? 1 : 0, share);
}
