/*
 * http_headers.c: headers that are small languages: Idempotency-Key (a string of RFC 8941), Prefer
 * (RFC 7240), traceparent (W3C Trace Context).
 */
#include "http/idempotency.h"
#include "http/prefer.h"
#include "http/trace.h"

#include <check.h>

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(1024);
}

static void tear_down(void)
{
    arena_free(arena);
}

static const char *repeated(char byte, size_t count)
{
    char *text = arena_alloc(arena, count + 3);

    memset(text + 1, byte, count);
    text[0] = text[count + 1] = '"';
    text[count + 2] = '\0';
    return text;
}

START_TEST(reads_keys)
{
    const struct {
        const char *header;
        const char *key; /* NULL: refused */
    } rows[] = {
        {"\"a\"", "a"},
        {" \t\"a b\" ", "a b"},
        {"\"\\\"\\\\\"", "\"\\"},
        {"\"~ !#[]\"", "~ !#[]"},
        {repeated('k', 255), repeated('k', 255)},
        {repeated('k', 256), NULL},
        {"", NULL},
        {"a", NULL},
        {"\"", NULL},
        {"\"\"", NULL},
        {"\"a", NULL},
        {"a\"", NULL},
        {"\"a\\\"", NULL},
        {"\"a\\", NULL},
        {"\"\\a\"", NULL},
        {"\"a\"b", NULL},
        {"\"a\" \"b\"", NULL},
        {"\"a\";b", NULL},
        {"\"a\t\"", NULL},
        {"\"\x7f\"", NULL},
        {"\"\xc3\xa4\"", NULL},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct text key = {NULL, 0};
        bool good = idempotency_parse(arena, rows[i].header, &key);
        const char *wanted = rows[i].key;

        ck_assert_msg(good == (wanted != NULL), "%s", rows[i].header);
        if (!good)
            continue;
        if (wanted[0] == '"' && key.length == 255)
            ck_assert_mem_eq(key.bytes, wanted + 1, 255);
        else
            ck_assert_str_eq(key.bytes, wanted);
    }
}
END_TEST

START_TEST(reads_preferences)
{
    static const struct {
        const char *header;
        enum prefer prefer;
    } rows[] = {
        {NULL, PREFER_NOTHING},
        {"", PREFER_NOTHING},
        {"return=minimal", PREFER_MINIMAL},
        {"return=representation", PREFER_REPRESENTATION},
        {"Return=Minimal", PREFER_MINIMAL},
        {"return = \"minimal\"", PREFER_MINIMAL},
        {"return=minimal; foo=bar", PREFER_MINIMAL},
        {"respond-async, wait=10, return=minimal", PREFER_MINIMAL},
        {" , ,return=minimal", PREFER_MINIMAL},
        {"foo=\"a, return=representation\", return=minimal", PREFER_MINIMAL},
        {"foo=\"a\\\", return=representation\", return=minimal", PREFER_MINIMAL},
        {"foo; bar=\"x,y\", return=minimal", PREFER_MINIMAL},
        /* The first one counts. */
        {"return=minimal, return=representation", PREFER_MINIMAL},
        {"return=representation, return=minimal", PREFER_REPRESENTATION},
        {"return=nothing, return=minimal", PREFER_NOTHING},
        {"return", PREFER_NOTHING},
        {"return=", PREFER_NOTHING},
        {"return=\"minimal", PREFER_NOTHING},
        {"returns=minimal", PREFER_NOTHING},
        {"\"return\"=minimal", PREFER_NOTHING},
        {"foo;return=minimal", PREFER_NOTHING},
        {"return=minimally", PREFER_NOTHING},
        {"\"", PREFER_NOTHING},
        {"\\", PREFER_NOTHING},
        {"foo=\"\\", PREFER_NOTHING},
    };

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(prefer_return(rows[i].header) == rows[i].prefer, "%s", rows[i].header);
}
END_TEST

START_TEST(reads_traces)
{
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define ZERO  "00000000000000000000000000000000"
    static const struct {
        const char *header;
        bool good;
    } rows[] = {
        {"00-" TRACE "-00f067aa0ba902b7-01", true},
        {"00-" TRACE "-00f067aa0ba902b7-00", true},
        {"00-" TRACE "-00f067aa0ba902b7-ff", true},
        /* A version to come may say more. */
        {"01-" TRACE "-00f067aa0ba902b7-01", true},
        {"cc-" TRACE "-00f067aa0ba902b7-01-what-is-more", true},
        {"cc-" TRACE "-00f067aa0ba902b7-01what-is-more", false},
        {NULL, false},
        {"", false},
        {"00", false},
        {"00-", false},
        {"ff-" TRACE "-00f067aa0ba902b7-01", false},
        {"00-" TRACE "-00f067aa0ba902b7-01-more", false},
        {"00-" TRACE "-00f067aa0ba902b7-01-", false},
        {"00-" TRACE "-00f067aa0ba902b7-1", false},
        {"00-" TRACE "-00f067aa0ba902b7-011", false},
        {"00-" TRACE "-00f067aa0ba902b7", false},
        {"00-" TRACE "-00f067aa0ba902b-01", false},
        {"00-" TRACE "-00f067aa0ba902b77-01", false},
        {"00-" TRACE "-0000000000000000-01", false},
        {"00-" ZERO "-00f067aa0ba902b7-01", false},
        {"00-" TRACE "0-00f067aa0ba902b7-01", false},
        {"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false},
        {"00-" TRACE "-00F067AA0BA902B7-01", false},
        {"00-" TRACE "-00f067aa0ba902b7-0x", false},
        {"0x-" TRACE "-00f067aa0ba902b7-01", false},
        {"0-" TRACE "-00f067aa0ba902b7-01", false},
        {"000-" TRACE "-00f067aa0ba902b7-01", false},
        {" 00-" TRACE "-00f067aa0ba902b7-01", false},
        {"00-" TRACE "-00f067aa0ba902b7-01, 00-" TRACE "-00f067aa0ba902b7-01", false},
        {"00_" TRACE "_00f067aa0ba902b7_01", false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        char trace_id[TRACE_ID_SIZE] = "as it was";

        ck_assert_msg(trace_parse(rows[i].header, trace_id) == rows[i].good, "%s", rows[i].header);
        ck_assert_str_eq(trace_id, rows[i].good ? TRACE : "as it was");
    }
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("headers");
    Suite *suite = suite_create("http_headers");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, reads_keys);
    tcase_add_test(tcase, reads_preferences);
    tcase_add_test(tcase, reads_traces);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
