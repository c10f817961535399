/*
 * base_time.c: every day of the years 1 to 9999 there and back, everything that is not a date, and
 * the order of UUIDs.
 */
#include "base/timestamp.h"
#include "base/uuid.h"

#include <check.h>
#include <sys/wait.h>

/* Walks the calendar by its definition, beside the formulas under test. */
START_TEST(every_day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t days = DATE_MIN, parsed;
    char expected[40], text[DATE_SIZE];

    for (int year = 1; year <= 9999; year++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);

        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap);

            for (int day = 1; day <= length; day++, days++) {
                snprintf(expected, sizeof expected, "%04d-%02d-%02d", year, month, day);
                if (!date_format(days, text) || strcmp(text, expected) != 0 ||
                    !date_parse(text, &parsed) || parsed != days)
                    ck_abort_msg("%s: day %d, %s", expected, days, text);
            }
            snprintf(expected, sizeof expected, "%04d-%02d-%02d", year, month, length + 1);
            if (date_parse(expected, &parsed))
                ck_abort_msg("%s is no day", expected);
        }
    }
    ck_assert_int_eq(days, DATE_MAX + 1);
}
END_TEST

START_TEST(no_dates)
{
    static const char *const texts[] = {"", "2026", "2026-1-1", "2026-01-1", "2026-01-011",
        "0000-01-01", "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32", "2026-04-31",
        "2025-02-29", "1900-02-29", "2100-02-29", " 2026-01-01", "2026-01-01 ", "2026/01/01",
        "2026-01/01", "20260101", "+026-01-01", "-026-01-01", "2026-0x-01", "2026-01-0\xb2",
        "12026-01-01", "2026-01-01T00:00:00Z", "2026--1-01", "infinity"};
    int32_t days = 42;

    for (size_t i = 0; i < countof(texts); i++)
        ck_assert_msg(!date_parse(texts[i], &days), "%s", texts[i]);
    ck_assert_int_eq(days, 42);
}
END_TEST

START_TEST(dates_out_of_range)
{
    char text[TIMESTAMP_SIZE] = "x";

    ck_assert(!date_format(DATE_MIN - 1, text));
    ck_assert_str_eq(text, "");
    ck_assert(!date_format(DATE_MAX + 1, text));
    ck_assert(!date_format(INT32_MAX, text));
    ck_assert(!date_format(INT32_MIN, text));
    ck_assert(!timestamp_format(INT64_MAX, text));
    ck_assert_str_eq(text, "");
    ck_assert(!timestamp_format(INT64_MIN, text));
}
END_TEST

START_TEST(timestamps)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "2000-01-01T00:00:00.000000Z"},
        {-1, "1999-12-31T23:59:59.999999Z"},
        {1, "2000-01-01T00:00:00.000001Z"},
        {INT64_C(820551845123456), "2026-01-01T03:04:05.123456Z"},
        {INT64_C(-946684800000000), "1970-01-01T00:00:00.000000Z"},
        {DATE_MIN * INT64_C(86400000000), "0001-01-01T00:00:00.000000Z"},
        {DATE_MAX * INT64_C(86400000000) + INT64_C(86399999999), "9999-12-31T23:59:59.999999Z"},
    };
    char text[TIMESTAMP_SIZE];

    for (size_t i = 0; i < countof(rows); i++) {
        ck_assert(timestamp_format(rows[i].us, text));
        ck_assert_str_eq(text, rows[i].text);
    }
    ck_assert_int_eq(timestamp_epoch_s(0), 946684800);
    ck_assert_int_eq(timestamp_epoch_s(-1), 946684799);
    ck_assert_int_eq(timestamp_epoch_s(1999999), 946684801);
}
END_TEST

START_TEST(now)
{
    int64_t before = (int64_t)time(NULL), after;
    int64_t stamp = timestamp_now();
    int32_t today = date_today();

    after = (int64_t)time(NULL);
    ck_assert_int_ge(timestamp_epoch_s(stamp), before);
    ck_assert_int_le(timestamp_epoch_s(stamp), after);
    ck_assert_int_ge(today, stamp / INT64_C(86400000000));
    ck_assert_int_le(today, stamp / INT64_C(86400000000) + 1);
}
END_TEST

START_TEST(uuids_increase)
{
    struct uuid last, next;
    struct timespec wall;
    int64_t ms = 0;

    uuid_v7(&last);
    for (int i = 0; i < 100000; i++) {
        uuid_v7(&next);
        ck_assert_int_lt(memcmp(&last, &next, sizeof last), 0);
        ck_assert_int_eq(next.bytes[6] >> 4, 7);
        ck_assert_int_eq(next.bytes[8] >> 6, 2);
        last = next;
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | last.bytes[i];
    /* The counter may have run ahead of the clock, by one millisecond each 2048 of them. */
    ck_assert_int_ge(ms, (int64_t)wall.tv_sec * 1000 - 1000);
    ck_assert_int_le(ms, (int64_t)wall.tv_sec * 1000 + 1100);
}
END_TEST

/* A child does not repeat the random bytes that its parent had in store. */
START_TEST(uuids_after_fork)
{
    struct uuid mine, theirs;
    int pipes[2], status;
    pid_t pid;

    uuid_v7(&mine);
    ck_assert_int_eq(pipe(pipes), 0);
    pid = fork();
    uuid_v7(&mine);
    if (pid == 0) {
        (void)!write(pipes[1], &mine, sizeof mine);
        _exit(0);
    }
    ck_assert_int_eq(read(pipes[0], &theirs, sizeof theirs), sizeof theirs);
    waitpid(pid, &status, 0);
    ck_assert_int_ne(memcmp(mine.bytes + 8, theirs.bytes + 8, 8), 0);
}
END_TEST

START_TEST(uuid_text)
{
    static const char text[] = "0190a6b1-89ab-7cde-8f01-23456789abcd";
    static const char *const bad[] = {"0190a6b1-89ab-7cde-8f01-23456789abc",
        "0190a6b1-89ab-7cde-8f01-23456789abcde", "0190a6b189ab7cde8f0123456789abcd",
        "0190a6b1-89ab-7cde-8f0123456789abcd--", "0190a6b1089ab-7cde-8f01-23456789abcd",
        "{190a6b1-89ab-7cde-8f01-23456789abc}", "0190a6b1-89ab-7cde-8f01-23456789abcg",
        "0190a6b1-89ab-7cde-8f01-2345 789abcd", "0190a6b1_89ab_7cde_8f01_23456789abcd", ""};
    struct uuid uuid, upper;
    char out[UUID_SIZE], shout[UUID_SIZE];

    ck_assert(uuid_parse(text, strlen(text), &uuid));
    uuid_format(&uuid, out);
    ck_assert_str_eq(out, text);
    for (size_t i = 0; i < sizeof shout; i++)
        shout[i] = (char)(text[i] >= 'a' ? text[i] - 32 : text[i]);
    ck_assert(uuid_parse(shout, strlen(shout), &upper));
    ck_assert_mem_eq(&upper, &uuid, sizeof uuid);
    for (size_t i = 0; i < countof(bad); i++)
        ck_assert_msg(!uuid_parse(bad[i], strlen(bad[i]), &upper), "%s", bad[i]);
    ck_assert_mem_eq(&upper, &uuid, sizeof uuid);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("time");
    Suite *suite = suite_create("base_time");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_day);
    tcase_add_test(tests, no_dates);
    tcase_add_test(tests, dates_out_of_range);
    tcase_add_test(tests, timestamps);
    tcase_add_test(tests, now);
    tcase_add_test(tests, uuids_increase);
    tcase_add_test(tests, uuids_after_fork);
    tcase_add_test(tests, uuid_text);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
