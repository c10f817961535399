/*
 * timestamp.c: calendar arithmetic without libc's broken-down time. Years are counted from March,
 * so that the leap day is the last day of its year; then the length of a month depends on nothing,
 * and days before a month and days before a year are two small formulas. Cycles of 400 years
 * (146,097 days, a whole number of weeks) keep every quantity positive.
 */
#include "base/timestamp.h"
#include "base/base.h"

#define US_PER_DAY INT64_C(86400000000)

enum {
    DAYS_PER_YEAR = 365,
    DAYS_PER_CYCLE = 146097, /* 400 years */
    /* 2000-01-01 is so many days after 0000-03-01, the first day of March-based year 0. */
    EPOCH = 730425,
    UNIX_TO_2000_S = 946684800,
};

struct civil {
    int year, month, day;
};

/* Days of a March-based year before its month (March: 0, ..., February: 11). */
static int days_before_month(int month)
{
    /* Lengths repeat 31 30 31 30 31: 153 days in 5 months. */
    return (153 * month + 2) / 5;
}

static int days_before_year(int year)
{
    return year * DAYS_PER_YEAR + year / 4 - year / 100 + year / 400;
}

static int32_t to_days(struct civil date)
{
    int month = (date.month + 9) % 12;
    int year = date.month < 3 ? date.year - 1 : date.year;

    return days_before_year(year) + days_before_month(month) + date.day - 1 - EPOCH;
}

static struct civil from_days(int32_t days)
{
    int day = days + EPOCH;
    /* Never too small a guess, and at most one too big. */
    int year = (int)((int64_t)day * 400 / DAYS_PER_CYCLE) + 1;
    int month;

    while (days_before_year(year) > day)
        year--;
    day -= days_before_year(year);
    month = (5 * day + 2) / 153;
    return (struct civil){
        .year = month < 10 ? year : year + 1,
        .month = month < 10 ? month + 3 : month - 9,
        .day = day - days_before_month(month) + 1,
    };
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static void put_digits(char *out, int count, int number)
{
    while (count-- > 0) {
        out[count] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* -1 when there is something else than digits. */
static int take_digits(const char *text, int count)
{
    int number = 0;

    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static void put_date(char *out, int32_t days)
{
    struct civil date = from_days(days);

    put_digits(out, 4, date.year);
    out[4] = '-';
    put_digits(out + 5, 2, date.month);
    out[7] = '-';
    put_digits(out + 8, 2, date.day);
}

bool date_parse(const char *text, int32_t *days_since_2000)
{
    struct civil date;

    if (strnlen(text, DATE_SIZE) != DATE_SIZE - 1 || text[4] != '-' || text[7] != '-')
        return false;
    date.year = take_digits(text, 4);
    date.month = take_digits(text + 5, 2);
    date.day = take_digits(text + 8, 2);
    if (date.year < 1 || date.month < 1 || date.month > 12 || date.day < 1)
        return false;
    if (date.day > days_in_month(date.year, date.month))
        return false;
    *days_since_2000 = to_days(date);
    return true;
}

bool date_format(int32_t days_since_2000, char out[DATE_SIZE])
{
    out[0] = '\0';
    if (days_since_2000 < DATE_MIN || days_since_2000 > DATE_MAX)
        return false;
    put_date(out, days_since_2000);
    out[DATE_SIZE - 1] = '\0';
    return true;
}

bool timestamp_format(int64_t us_since_2000, char out[TIMESTAMP_SIZE])
{
    int64_t days = us_since_2000 / US_PER_DAY;
    int64_t rest = us_since_2000 % US_PER_DAY;
    int second;

    if (rest < 0) {
        rest += US_PER_DAY;
        days--;
    }
    out[0] = '\0';
    if (days < DATE_MIN || days > DATE_MAX)
        return false;
    put_date(out, (int32_t)days);
    second = (int)(rest / 1000000);
    out[10] = 'T';
    put_digits(out + 11, 2, second / 3600);
    out[13] = ':';
    put_digits(out + 14, 2, second / 60 % 60);
    out[16] = ':';
    put_digits(out + 17, 2, second % 60);
    out[19] = '.';
    put_digits(out + 20, 6, (int)(rest % 1000000));
    out[26] = 'Z';
    out[27] = '\0';
    return true;
}

int64_t timestamp_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec - UNIX_TO_2000_S) * 1000000 + now.tv_nsec / 1000;
}

int32_t date_today(void)
{
    int64_t now = timestamp_now();
    int64_t days = now / US_PER_DAY;

    return (int32_t)(now % US_PER_DAY < 0 ? days - 1 : days);
}

int64_t timestamp_epoch_s(int64_t us_since_2000)
{
    int64_t seconds = us_since_2000 / 1000000;

    return (us_since_2000 % 1000000 < 0 ? seconds - 1 : seconds) + UNIX_TO_2000_S;
}
