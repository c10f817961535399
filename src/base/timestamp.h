/*
 * timestamp.h: dates and times as PostgreSQL sends them, and as people read them. A date is a count
 * of days since 2000-01-01, a timestamp a count of microseconds since that midnight, both in UTC
 * and the proleptic Gregorian calendar, years 1 to 9999. Nothing here depends on the environment's
 * time zone or locale.
 */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include "base/base.h"

enum {
    DATE_SIZE = 11,      /* "2026-01-02" and its NUL */
    TIMESTAMP_SIZE = 28, /* "2026-01-02T03:04:05.123456Z" and its NUL */
    DATE_MIN = -730119,  /* 0001-01-01 */
    DATE_MAX = 2921939,  /* 9999-12-31 */
};

/* Exactly "YYYY-MM-DD" and a day that exists. */
bool date_parse(const char *text, int32_t *days_since_2000);

/* False, and an empty text, outside of DATE_MIN to DATE_MAX. */
bool date_format(int32_t days_since_2000, char out[DATE_SIZE]);

/* False, and an empty text, outside of the same years (PostgreSQL's infinities are there). */
bool timestamp_format(int64_t us_since_2000, char out[TIMESTAMP_SIZE]);

/* Now, by the wall clock. */
int32_t date_today(void);
int64_t timestamp_now(void);

/* Seconds since 1970 (the `iat` and `exp` of tokens) of a timestamp, rounded down. */
int64_t timestamp_epoch_s(int64_t us_since_2000);

#endif
