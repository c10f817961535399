/*
 * http_field.c: a table of fields with one of each kind: every rule at its limit and one past it,
 * what null and absence mean for POST, PUT and PATCH, and that everything wrong is told at once,
 * each with its place.
 */
#include "base/base.h"

#include <check.h>

#include "base/timestamp.h"
#include "http/field.h"

enum { ID, NAME, KIND, MOOD, NOTES, WEIGHT, CHIP, BORN, TAGS, SECRET, EMAIL, COUNT };

static bool has_at(const char *text, size_t length)
{
    return memchr(text, '@', length) != NULL;
}

static const char *const kinds[] = {"dog", "cat", NULL};
static const struct field fields[COUNT] = {
    [ID] = {"id", FIELD_UUID, FIELD_READ_ONLY},
    [NAME] = {"name", FIELD_STRING, FIELD_REQUIRED, 1, 4},
    [KIND] = {"kind", FIELD_WORD, FIELD_REQUIRED, .words = kinds},
    [MOOD] = {"mood", FIELD_WORD, 0, .words = kinds, .initial = "cat"},
    [NOTES] = {"notes", FIELD_TEXT, FIELD_NULLABLE, 0, 6},
    [WEIGHT] = {"weight", FIELD_INTEGER, FIELD_NULLABLE, 1, 2000000},
    [CHIP] = {"chip", FIELD_DIGITS, FIELD_NULLABLE, 15, 15},
    [BORN] = {"born_on", FIELD_DATE, FIELD_NULLABLE | FIELD_PAST},
    [TAGS] = {"tags", FIELD_STRINGS, 0, 1, 3, 2},
    [SECRET] = {"secret", FIELD_SECRET, FIELD_WRITE_ONLY, 3, 8},
    [EMAIL] = {"email", FIELD_STRING, 0, 1, 20, .check = has_at},
};

static struct arena *arena;
static struct value values[COUNT];
static struct violations violations;

static void set_up(void)
{
    arena = arena_new(1024);
}

static void tear_down(void)
{
    arena_free(arena);
}

static void read_body(const char *text, size_t length, enum field_mode mode)
{
    const char *reason;
    const struct json *json = json_parse(arena, text, length, &reason);

    ck_assert_msg(json != NULL, "%s: %s", text, reason);
    memset(values, 0xaa, sizeof values);
    violations = (struct violations){.arena = arena};
    fields_read(fields, COUNT, json, mode, values, &violations);
}

/* The body {"name":"Rex","kind":"dog", and one member more}. */
static void read_member(const char *member)
{
    const char *text = arena_format(arena, "{\"name\":\"Rex\",\"kind\":\"dog\",%s}", member);

    read_body(text, strlen(text), FIELD_WHOLE);
}

static const char *date_after_today(int days)
{
    char text[DATE_SIZE];

    date_format(date_today() + days, text);
    return arena_format(arena, "\"born_on\":\"%s\"", text);
}

START_TEST(lets_pass)
{
    static const char *const rows[] = {
        "\"notes\":\"\"",
        "\"notes\":\"a\\nb\\tc\\r\"",
        "\"notes\":\"\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\\u00e4\"",
        "\"notes\":"
        "\"\xf0\x9f\x90\xb6\xf0\x9f\x90\xb6\xf0\x9f\x90\xb6\xf0\x9f\x90\xb6\xf0\x9f\x90\xb6"
        "\xf0\x9f\x90\xb6\"",
        "\"notes\":null",
        "\"weight\":1",
        "\"weight\":2000000",
        "\"weight\":3.0",
        "\"weight\":2e6",
        "\"weight\":null",
        "\"chip\":\"012345678901234\"",
        "\"chip\":null",
        "\"born_on\":\"2000-02-29\"",
        "\"born_on\":\"0001-01-01\"",
        "\"born_on\":null",
        "\"tags\":[]",
        "\"tags\":[\"a\",\"abc\"]",
        "\"secret\":\"abc\"",
        "\"secret\":\"\\u0000\\u0001\\u0002\"",
        "\"secret\":\"12345678\"",
        "\"secret\":\"\\u00e4\\u00e4\\u00e4\\u00e4\"",
        "\"mood\":\"dog\"",
        "\"email\":\"a@b\"",
    };

    for (size_t i = 0; i < countof(rows); i++) {
        read_member(rows[i]);
        ck_assert_msg(violations.count == 0, "%s: %s", rows[i], violations.list[0].code);
    }
    read_member(date_after_today(0));
    ck_assert_uint_eq(violations.count, 0);
    read_body("{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\",\"kind\":\"cat\"}", 32, FIELD_WHOLE);
    ck_assert_uint_eq(violations.count, 0);
}
END_TEST

START_TEST(refuses)
{
    static const struct {
        const char *member, *pointer, *code;
    } rows[] = {
        {"\"notes\":\"1234567\"", "/notes", "too_long"},
        {"\"notes\":\"a\\u0000\"", "/notes", "invalid_characters"},
        {"\"notes\":\"a\\u007f\"", "/notes", "invalid_characters"},
        {"\"notes\":\"a\\u0085\"", "/notes", "invalid_characters"},
        {"\"notes\":\"a\\ufffe\"", "/notes", "invalid_characters"},
        {"\"notes\":\"a\\ufdd0\"", "/notes", "invalid_characters"},
        {"\"notes\":1", "/notes", "wrong_type"},
        {"\"notes\":[]", "/notes", "wrong_type"},
        {"\"weight\":0", "/weight", "out_of_range"},
        {"\"weight\":-1", "/weight", "out_of_range"},
        {"\"weight\":2000001", "/weight", "out_of_range"},
        {"\"weight\":4294967297", "/weight", "out_of_range"},
        {"\"weight\":9007199254740992", "/weight", "out_of_range"},
        {"\"weight\":9223372036854775807", "/weight", "wrong_type"},
        {"\"weight\":1e300", "/weight", "wrong_type"},
        {"\"weight\":1.5", "/weight", "wrong_type"},
        {"\"weight\":\"1\"", "/weight", "wrong_type"},
        {"\"weight\":true", "/weight", "wrong_type"},
        {"\"chip\":\"01234567890123\"", "/chip", "invalid_format"},
        {"\"chip\":\"0123456789012345\"", "/chip", "invalid_format"},
        {"\"chip\":\"01234567890123a\"", "/chip", "invalid_format"},
        {"\"chip\":\"01234567890123\\u0000\"", "/chip", "invalid_format"},
        {"\"chip\":\"\\u0660\\u0661\\u0662\\u0663\\u0664\\u0665\\u0666\\u0667\"", "/chip",
            "invalid_format"},
        {"\"chip\":123456789012345", "/chip", "wrong_type"},
        {"\"born_on\":\"2001-02-29\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"1900-02-29\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-13-01\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-00-01\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-01-00\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-1-1\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-01-01 \"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-01-01\\u0000\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"2001-01-01T00:00:00Z\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"infinity\"", "/born_on", "invalid_format"},
        {"\"born_on\":\"\"", "/born_on", "invalid_format"},
        {"\"born_on\":20010101", "/born_on", "wrong_type"},
        {"\"tags\":[\"a\",\"b\",\"c\"]", "/tags", "too_many"},
        {"\"tags\":[\"\"]", "/tags/0", "too_short"},
        {"\"tags\":[\"a\",\"abcd\"]", "/tags/1", "too_long"},
        {"\"tags\":[\"a\\nb\"]", "/tags/0", "invalid_characters"},
        {"\"tags\":[1]", "/tags/0", "wrong_type"},
        {"\"tags\":[null]", "/tags/0", "wrong_type"},
        {"\"tags\":[[\"a\"]]", "/tags/0", "wrong_type"},
        {"\"tags\":\"a\"", "/tags", "wrong_type"},
        {"\"tags\":{}", "/tags", "wrong_type"},
        {"\"tags\":null", "/tags", "wrong_type"},
        {"\"secret\":\"ab\"", "/secret", "too_short"},
        {"\"secret\":\"\\u00e4\\u00e4\"", "/secret", "too_short"},
        {"\"secret\":\"123456789\"", "/secret", "too_long"},
        {"\"secret\":\"\\u00e4\\u00e4\\u00e4\\u00e4x\"", "/secret", "too_long"},
        {"\"secret\":null", "/secret", "wrong_type"},
        {"\"mood\":\"\"", "/mood", "not_allowed"},
        {"\"mood\":\"Dog\"", "/mood", "not_allowed"},
        {"\"mood\":\"dogs\"", "/mood", "not_allowed"},
        {"\"mood\":\"dog\\u0000\"", "/mood", "not_allowed"},
        {"\"mood\":null", "/mood", "wrong_type"},
        {"\"email\":\"ab\"", "/email", "invalid_format"},
        {"\"id\":\"x\"", "/id", "read_only"},
        {"\"id\":null", "/id", "read_only"},
        {"\"other\":1", "/other", "unknown_field"},
        {"\"\":1", "/", "unknown_field"},
        {"\"a/b~c\":1", "/a~1b~0c", "unknown_field"},
        {"\"Name\":\"x\"", "/Name", "unknown_field"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        read_member(rows[i].member);
        ck_assert_msg(violations.count == 1, "%s: %zu", rows[i].member, violations.count);
        ck_assert_str_eq(violations.list[0].pointer, rows[i].pointer);
        ck_assert_msg(strcmp(violations.list[0].code, rows[i].code) == 0, "%s: %s", rows[i].member,
            violations.list[0].code);
        ck_assert_ptr_null(violations.list[0].parameter);
    }
    read_member(date_after_today(1));
    ck_assert_uint_eq(violations.count, 1);
    ck_assert_str_eq(violations.list[0].code, "in_the_future");
}
END_TEST

/* A long name is cut, but never in the middle of a character. */
START_TEST(cuts_long_names)
{
    for (int shift = 0; shift < 4; shift++) {
        char body[800] = "{\"";
        size_t at = 2;

        for (int i = 0; i < shift; i++)
            body[at++] = 'x';
        for (int i = 0; i < 100; i++)
            at += (size_t)snprintf(
                body + at, sizeof body - at, i % 2 == 0 ? "\xf0\x9f\x90\xb6" : "~");
        at +=
            (size_t)snprintf(body + at, sizeof body - at, "\":1,\"name\":\"a\",\"kind\":\"dog\"}");
        read_body(body, at, FIELD_WHOLE);
        ck_assert_uint_eq(violations.count, 1);
        ck_assert_uint_le(strlen(violations.list[0].pointer), 70);
        ck_assert_uint_ge(strlen(violations.list[0].pointer), 60);
    }
}
END_TEST

START_TEST(tells_everything_at_once)
{
    static const char text[] =
        "{\"id\":1,\"kind\":\"x\",\"mood\":1,\"notes\":\"1234567\",\"weight\":0,"
        "\"chip\":\"\",\"born_on\":\"\",\"tags\":[\"\",1],\"secret\":\"\","
        "\"email\":\"x\",\"z\":1,\"y\":2}";
    char many[2000] = "{\"name\":\"a\",\"kind\":\"dog\"";

    read_body(text, sizeof text - 1, FIELD_WHOLE);
    /* All eleven fields, one more for the second tag, and two that there are not. */
    ck_assert_uint_eq(violations.count, 14);
    for (int i = 0; i < 100; i++) {
        size_t at = strlen(many);

        snprintf(many + at, sizeof many - at, ",\"f%d\":1", i);
    }
    strncat(many, "}", sizeof many - strlen(many) - 1);
    read_body(many, strlen(many), FIELD_WHOLE);
    ck_assert_uint_eq(violations.count, VIOLATIONS);
}
END_TEST

/* Of an item of a list, every pointer begins with the item's. */
START_TEST(tells_the_item)
{
    static const char text[] = "{\"name\":\"\",\"kind\":\"dog\",\"tags\":[\"\"],\"x~y\":1}";
    const char *reason;
    const struct json *json = json_parse(arena, text, sizeof text - 1, &reason);

    violations = (struct violations){.arena = arena, .base = "/12"};
    fields_read(fields, COUNT, json, FIELD_WHOLE, values, &violations);
    ck_assert_uint_eq(violations.count, 3);
    ck_assert_str_eq(violations.list[0].pointer, "/12/name");
    ck_assert_str_eq(violations.list[1].pointer, "/12/tags/0");
    ck_assert_str_eq(violations.list[2].pointer, "/12/x~0y");
}
END_TEST

/* What was read is written as it came; what may not be written is left out. */
START_TEST(writes)
{
    static const char text[] =
        "{\"name\":\"\\\"\\n\",\"kind\":\"dog\",\"notes\":null,\"weight\":3.0,"
        "\"born_on\":\"2020-02-29\",\"tags\":[\"a\",\"\xc3\xa4\"]}";
    struct buf buf;
    struct json_out out;
    const char *weight;

    read_body(text, sizeof text - 1, FIELD_WHOLE);
    buf_init(&buf, arena, 16);
    json_out_init(&out, &buf);
    json_open_object(&out);
    fields_write(fields, COUNT, values, &out);
    json_close_object(&out);
    ck_assert_ptr_null(strstr(buf.data, "\"id\""));
    ck_assert_ptr_nonnull(
        strstr(buf.data, "\"name\":\"\\\"\\n\",\"kind\":\"dog\",\"mood\":\"cat\","));
    ck_assert_ptr_nonnull(strstr(buf.data, "\"notes\":null"));
    weight = strstr(buf.data, "\"weight\":3");
    ck_assert(weight != NULL && weight[10] == ',');
    ck_assert_ptr_nonnull(strstr(buf.data, "\"born_on\":\"2020-02-29\""));
    ck_assert_ptr_nonnull(strstr(buf.data, "\"tags\":[\"a\",\"\xc3\xa4\"]"));
}
END_TEST

START_TEST(absent_in_whole)
{
    read_body("{}", 2, FIELD_WHOLE);
    ck_assert_uint_eq(violations.count, 2);
    ck_assert_str_eq(violations.list[0].pointer, "/name");
    ck_assert_str_eq(violations.list[0].code, "required");
    ck_assert_str_eq(violations.list[1].pointer, "/kind");
    read_body("{\"name\":\"a\",\"kind\":\"dog\"}", 25, FIELD_WHOLE);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert(!values[MOOD].given && !values[MOOD].null);
    ck_assert_str_eq(values[MOOD].text.bytes, "cat");
    ck_assert(values[NOTES].null && values[WEIGHT].null && values[CHIP].null && values[BORN].null);
    ck_assert(!values[TAGS].null);
    ck_assert_uint_eq(values[TAGS].count, 0);
}
END_TEST

/* RFC 7396: absent stays, null resets. */
START_TEST(merges)
{
    static const char text[] = "{\"mood\":null,\"notes\":null,\"tags\":null,\"weight\":5}";

    read_body("{}", 2, FIELD_MERGE);
    ck_assert_uint_eq(violations.count, 0);
    ck_assert_int_eq(fields_mask(fields, COUNT, values), 0);
    read_body(text, sizeof text - 1, FIELD_MERGE);
    ck_assert_uint_eq(violations.count, 0);
    /* Bit 0 is the first writable field, name. */
    ck_assert_int_eq(fields_mask(fields, COUNT, values),
        1 << (MOOD - 1) | 1 << (NOTES - 1) | 1 << (TAGS - 1) | 1 << (WEIGHT - 1));
    ck_assert_str_eq(values[MOOD].text.bytes, "cat");
    ck_assert(values[NOTES].null && !values[TAGS].null);
    ck_assert_uint_eq(values[TAGS].count, 0);
    ck_assert_int_eq(values[WEIGHT].number, 5);
    read_body("{\"name\":null}", 13, FIELD_MERGE);
    ck_assert_uint_eq(violations.count, 1);
    ck_assert_str_eq(violations.list[0].code, "required");
    read_body("{\"id\":null}", 11, FIELD_MERGE);
    ck_assert_str_eq(violations.list[0].code, "read_only");
    read_body("{\"none\":null}", 13, FIELD_MERGE);
    ck_assert_str_eq(violations.list[0].code, "unknown_field");
}
END_TEST

START_TEST(renders)
{
    enum { R_WEIGHT, R_TAGS, R_JSON, R_SECRET, R_COUNT };
    static const struct field shown[R_COUNT] = {
        [R_WEIGHT] = {"weight", FIELD_INTEGER},
        [R_TAGS] = {"tags", FIELD_STRINGS},
        [R_JSON] = {"old", FIELD_JSON},
        [R_SECRET] = {"secret", FIELD_SECRET, FIELD_WRITE_ONLY},
    };
    static const uint8_t array[] = "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1\"\0\0\0\2ab";
    static const struct cell cells[] = {{(const uint8_t *)"xx", 2},
        {(const uint8_t *)"\xff\xff\xff\xfe", 4}, {array, sizeof array - 1},
        {(const uint8_t *)"\1{}", 3}, {NULL, -1}, {NULL, -1}, {NULL, -1}, {NULL, -1}};
    const struct rows rows = {2, 4, cells};
    struct buf buf;
    struct json_out out;

    buf_init(&buf, arena, 16);
    json_out_init(&out, &buf);
    json_open_array(&out);
    fields_render(shown, R_COUNT, &rows, 0, 1, &out);
    fields_render(shown, R_COUNT, &rows, 1, 0, &out);
    json_close_array(&out);
    ck_assert_str_eq(buf.data, "[{\"weight\":-2,\"tags\":[\"\\\"\",\"ab\"],\"old\":{}},"
                               "{\"weight\":null,\"tags\":null,\"old\":null}]");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("field");
    Suite *suite = suite_create("http_field");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, lets_pass);
    tcase_add_test(tests, refuses);
    tcase_add_test(tests, cuts_long_names);
    tcase_add_test(tests, tells_everything_at_once);
    tcase_add_test(tests, tells_the_item);
    tcase_add_test(tests, writes);
    tcase_add_test(tests, absent_in_whole);
    tcase_add_test(tests, merges);
    tcase_add_test(tests, renders);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
