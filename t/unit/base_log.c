/*
 * base_log.c: whatever is logged, a line is one line, valid JSON in UTF-8, bounded, and says what
 * was given. jansson reads every line back.
 */
#include "base/log.h"
#include "place.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

static char path[64];
static int reader = -1;

static void set_up(void)
{
    place(path, sizeof path, "base_log");
    reader = mkstemp(path);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(log_open(path), 0);
    log_pool("api");
}

static void tear_down(void)
{
    log_open(NULL);
    close(reader);
    unlink(path);
}

/* The one line written since the last call, as JSON; *length its length with the newline. */
static json_t *read_line(size_t *length)
{
    static char line[8192];
    ssize_t got = read(reader, line, sizeof line - 1);
    json_error_t error;
    json_t *object;

    ck_assert_int_gt(got, 0);
    *length = (size_t)got;
    ck_assert_int_eq(line[got - 1], '\n');
    ck_assert_ptr_eq(memchr(line, '\n', (size_t)got), line + got - 1);
    for (ssize_t i = 0; i < got - 1; i++)
        ck_assert_int_ge((unsigned char)line[i], 0x20);
    object = json_loadb(line, (size_t)got, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(object != NULL, "%s: %.*s", error.text, (int)got, line);
    return object;
}

static const char *get(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

START_TEST(fields)
{
    size_t length;
    json_t *line;

    log_event(LEVEL_WARNING, "slow_request", log_str("request_id", "ab\"c\\"), log_int("n", -7),
        log_int("big", INT64_MIN), log_bool("yes", 5), log_bool("no", 0), log_str("nothing", NULL),
        log_errno(ENOENT));
    line = read_line(&length);
    ck_assert_str_eq(get(line, "level"), "warning");
    ck_assert_str_eq(get(line, "pool"), "api");
    ck_assert_str_eq(get(line, "event"), "slow_request");
    ck_assert_str_eq(get(line, "request_id"), "ab\"c\\");
    ck_assert_str_eq(get(line, "error"), "No such file or directory");
    ck_assert_uint_eq(strlen(get(line, "time")), 27);
    ck_assert_int_eq(json_integer_value(json_object_get(line, "pid")), getpid());
    ck_assert_int_eq(json_integer_value(json_object_get(line, "n")), -7);
    ck_assert(json_integer_value(json_object_get(line, "big")) == INT64_MIN);
    ck_assert(json_is_true(json_object_get(line, "yes")));
    ck_assert(json_is_false(json_object_get(line, "no")));
    ck_assert(json_is_null(json_object_get(line, "nothing")));
    ck_assert_ptr_null(json_object_get(line, "truncated"));
    json_decref(line);
}
END_TEST

START_TEST(no_fields)
{
    size_t length;
    json_t *line;

    log_event(LEVEL_ERROR, "bare");
    line = read_line(&length);
    ck_assert_uint_eq(json_object_size(line), 5);
    json_decref(line);
}
END_TEST

START_TEST(threshold)
{
    size_t length;
    json_t *line;

    log_event(LEVEL_DEBUG, "unheard");
    log_threshold(LEVEL_ERROR);
    log_event(LEVEL_WARNING, "unheard");
    errno = EINTR;
    log_event(LEVEL_ERROR, "heard");
    ck_assert_int_eq(errno, EINTR);
    log_threshold(LEVEL_DEBUG);
    line = read_line(&length);
    ck_assert_str_eq(get(line, "event"), "heard");
    json_decref(line);
}
END_TEST

/* Bytes, and how they must read again. */
START_TEST(escapes)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"plain", "plain"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x95", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x95"},
        {"a\nb\r\t\x01\x7f", "a\nb\r\t\x01\x7f"},
        {"\xc2\x85\xc2\x9b", "\xc2\x85\xc2\x9b"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\x80\xbf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\",\"level\":\"x", "\",\"level\":\"x"},
    };
    size_t length;

    for (size_t i = 0; i < countof(rows); i++) {
        json_t *line;

        log_event(LEVEL_INFO, "x", log_str("v", rows[i].bytes), log_str(rows[i].bytes, "v"));
        line = read_line(&length);
        ck_assert_str_eq(get(line, "v"), rows[i].text);
        ck_assert_uint_eq(json_object_size(line), 7);
        json_decref(line);
    }
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return *state >> 16;
}

/* Random bytes with a liking for the awkward ones, of every length around the limit. */
START_TEST(random_bytes)
{
    static const unsigned char awkward[] = {0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x80,
        0x9f, 0xa0, 0xbf, '"', '\\', '\n', 0x1b, 0x7f};
    static char value[6000];
    uint32_t state = 1;
    size_t length;

    for (int round = 0; round < 1000; round++) {
        size_t size = next_random(&state) % (round % 2 == 0 ? 64 : sizeof value);
        json_t *line;

        for (size_t i = 0; i < size; i++) {
            uint32_t random = next_random(&state);

            value[i] = (char)(random % 3 == 0 ? awkward[random / 3 % sizeof awkward]
                                              : 1 + random / 3 % 255);
        }
        value[size] = '\0';
        log_event(LEVEL_INFO, "fuzz", log_str("v", value), log_int("n", round));
        line = read_line(&length);
        ck_assert_uint_le(length, 4096);
        if (json_object_get(line, "truncated") == NULL)
            ck_assert_int_eq(json_integer_value(json_object_get(line, "n")), round);
        else
            ck_assert_uint_gt(length, 4000);
        json_decref(line);
    }
}
END_TEST

/* Every length of a value: complete, or cut with the mark; what comes after is left out. */
START_TEST(truncation)
{
    static char value[4200];
    int whole = 0, cut = 0;

    for (size_t size = 3800; size < sizeof value - 1; size++) {
        size_t length;
        json_t *line;

        memset(value, (size + (size_t)_i) % 2 == 0 ? 'x' : '"', size);
        value[size] = '\0';
        log_event(LEVEL_INFO, "x", log_str("v", value), log_int("n", INT64_MIN));
        line = read_line(&length);
        ck_assert_uint_le(length, 4096);
        if (json_is_true(json_object_get(line, "truncated"))) {
            cut++;
        } else {
            whole++;
            ck_assert_str_eq(get(line, "v"), value);
        }
        json_decref(line);
    }
    ck_assert_int_gt(whole, 50);
    ck_assert_int_gt(cut, 200);
}
END_TEST

START_TEST(reopens)
{
    char other[80];
    struct stat status;
    size_t length;
    json_t *line;

    snprintf(other, sizeof other, "%s.1", path);
    log_event(LEVEL_INFO, "before");
    ck_assert_int_eq(rename(path, other), 0);
    log_event(LEVEL_INFO, "between");
    ck_assert_int_eq(log_reopen(), 0);
    log_event(LEVEL_INFO, "after");
    ck_assert_int_eq(stat(other, &status), 0);
    ck_assert_int_gt(status.st_size, 0);
    close(reader);
    reader = open(path, O_RDONLY);
    line = read_line(&length);
    ck_assert_str_eq(get(line, "event"), "after");
    json_decref(line);
    unlink(other);
}
END_TEST

START_TEST(open_fails_softly)
{
    size_t length;
    json_t *line;

    ck_assert_int_eq(log_open("/nonexistent/log"), -1);
    ck_assert_int_eq(errno, ENOENT);
    log_event(LEVEL_INFO, "still_here");
    line = read_line(&length);
    ck_assert_str_eq(get(line, "event"), "still_here");
    json_decref(line);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("log");
    Suite *suite = suite_create("base_log");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, fields);
    tcase_add_test(tests, no_fields);
    tcase_add_test(tests, threshold);
    tcase_add_test(tests, escapes);
    tcase_add_test(tests, random_bytes);
    tcase_add_loop_test(tests, truncation, 0, 2);
    tcase_set_timeout(tests, 400);
    tcase_add_test(tests, reopens);
    tcase_add_test(tests, open_fails_softly);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
