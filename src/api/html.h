/*
 * html.h: the pieces that the page for people is made of. All text is escaped here; what goes into
 * a page in another way is a literal or a number.
 */
#ifndef API_HTML_H
#define API_HTML_H

#include "base/buf.h"

/* Text, also as the value of an attribute in double quotes. NULL is nothing. */
void html_text(struct buf *out, const char *text);

/* 1,234,567 */
void html_number(struct buf *out, uint64_t number);

/* 3.21, 32.1, 321, 3,210 */
void html_decimal(struct buf *out, double number);

/* Microseconds: "1.25 ms", and "3d 04:05:06". */
void html_duration(struct buf *out, int64_t us);
void html_age(struct buf *out, int64_t us);

/* A part of a bar in the style's colour of that name; nothing when it is 0. */
void html_part(struct buf *out, const char *colour, double part, double whole);

/* A bar filled so far, green below a half, amber below four fifths, red above. */
void html_gauge(struct buf *out, double part, double whole);

/* <b>name</b> with its share of a whole, beside a dot in its colour. */
void html_legend(struct buf *out, const char *colour, const char *name, double part, double whole);

#endif
