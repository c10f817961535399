/*
 * http_json.c: text and JSON. jansson, strict and independent of the writer, is the oracle of what
 * is written; what is read is checked against a table of what I-JSON (RFC 7493) allows and refuses.
 */
#include "base/base.h"

#include <check.h>
#include <jansson.h>

#include "base/timestamp.h"
#include "http/json_in.h"
#include "http/json_out.h"
#include "http/utf8.h"

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(1024);
}

static void tear_down(void)
{
    arena_free(arena);
}

/* --- UTF-8 --- */

/* By the definition, not by a table of ranges: the oracle of the decoder. */
static size_t encode(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* Whether all that utf8.h says of one code point holds. */
static bool judged_rightly(uint32_t point)
{
    bool good = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    bool noncharacter = (point & 0xfffe) == 0xfffe || (point >= 0xfdd0 && point <= 0xfdef);
    bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    bool layout = point == '\n' || point == '\r' || point == '\t';
    bool printable = !control && !noncharacter;
    char text[4];
    size_t length = encode(point, text);

    if (!good)
        return utf8_length(text, length) == -1;
    for (size_t cut = 1; cut < length; cut++)
        if (utf8_length(text, cut) != -1)
            return false;
    return utf8_length(text, length) == 1 && utf8_printable(text, length, false) == printable &&
           utf8_printable(text, length, true) == (layout || printable);
}

/* An assertion a code point would take minutes: each of them is written to a file. */
START_TEST(every_code_point)
{
    for (uint32_t point = 0; point < 0x120000; point++)
        if (!judged_rightly(point))
            ck_abort_msg("U+%04X", point);
}
END_TEST

/* In a buffer that ends in the middle of the character. */
START_TEST(cut_characters)
{
    static const uint32_t points[] = {0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};

    for (size_t i = 0; i < countof(points); i++) {
        char text[4];
        size_t length = encode(points[i], text);

        for (size_t cut = 1; cut < length; cut++) {
            char *part = malloc(cut);

            memcpy(part, text, cut);
            ck_assert_int_eq(utf8_length(part, cut), -1);
            free(part);
        }
    }
}
END_TEST

START_TEST(every_short_sequence)
{
    int good = 0;

    /* Of all pairs of bytes: two ASCII characters, or one of U+0080..U+07FF. */
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            ptrdiff_t length = utf8_length(text, 2);

            good += length >= 0;
            if ((length == 2) != (a < 0x80 && b < 0x80))
                ck_abort_msg("%02x %02x", (unsigned)a, (unsigned)b);
        }
    }
    ck_assert_int_eq(good, 128 * 128 + 0x800 - 0x80);
}
END_TEST

START_TEST(overlong_forms)
{
    static const char *const rows[] = {"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\x80", "\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "a\x80", "\xc3\xa4\xa4"};

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(utf8_length(rows[i], strlen(rows[i])) == -1, "row %zu", i);
    ck_assert_int_eq(utf8_length("", 0), 0);
    ck_assert_int_eq(utf8_length("a\0b", 3), 3);
}
END_TEST

/* --- what is written --- */

static struct buf out_buf;
static struct json_out out;

static void begin(void)
{
    buf_init(&out_buf, arena, 4);
    json_out_init(&out, &out_buf);
}

static json_t *written(void)
{
    json_error_t error;
    json_t *json = json_loadb(out_buf.data, out_buf.length,
        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    ck_assert_msg(json != NULL, "%s: %s", out_buf.data, error.text);
    return json;
}

static void check_text(const char *text, size_t length)
{
    json_t *json;

    begin();
    json_put_text(&out, text, length);
    json = written();
    ck_assert(json_is_string(json));
    ck_assert_uint_eq(json_string_length(json), length);
    ck_assert_mem_eq(json_string_value(json), text, length);
    for (size_t i = 0; i < out_buf.length; i++)
        if ((unsigned char)out_buf.data[i] < 0x20 || out_buf.data[i] == 0x7f)
            ck_abort_msg("a control character in %s", out_buf.data);
    json_decref(json);
}

START_TEST(writes_every_code_point)
{
    for (uint32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 97) {
        char text[12] = "ab";
        size_t length;

        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        length = 2 + encode(point, text + 2);
        check_text(text + 2, length - 2);
        check_text(text, length);
        text[length] = 'c';
        check_text(text + 1, length);
    }
    check_text("", 0);
    check_text("\"\\\"\\", 4);
    check_text("\0\0\n\0", 4);
    check_text("</script>", 9);
}
END_TEST

START_TEST(writes_documents)
{
    static const int64_t numbers[] = {0, -1, 1, INT64_MIN, INT64_MAX, 1000000, -10};
    struct uuid uuid = {{1, 2, 3, 255}};
    json_t *json;

    begin();
    json_open_object(&out);
    json_key(&out, "empty");
    json_open_array(&out);
    json_close_array(&out);
    json_key(&out, "none");
    json_open_object(&out);
    json_close_object(&out);
    json_key(&out, "list");
    json_open_array(&out);
    for (size_t i = 0; i < countof(numbers); i++)
        json_put_int(&out, numbers[i]);
    json_open_object(&out);
    json_key(&out, "a");
    json_put_bool(&out, true);
    json_key(&out, "b");
    json_put_bool(&out, false);
    json_close_object(&out);
    json_put_null(&out);
    json_put_string(&out, NULL);
    json_put_uuid(&out, &uuid);
    json_put_date(&out, 0);
    json_put_timestamp(&out, 0);
    json_put_raw(&out, "{\"x\":1}", 7);
    json_close_array(&out);
    json_close_object(&out);
    json = written();
    ck_assert_str_eq(out_buf.data, "{\"empty\":[],\"none\":{},\"list\":[0,-1,1,-"
                                   "9223372036854775808,9223372036854775807,1000000,-10,"
                                   "{\"a\":true,\"b\":false},null,null,\"010203ff-0000-0000-0000-"
                                   "000000000000\",\"2000-01-01\","
                                   "\"2000-01-01T00:00:00.000000Z\",{\"x\":1}]}");
    json_decref(json);
}
END_TEST

/* --- what is read --- */

static const struct json *parse(const char *text, size_t length)
{
    const char *reason = NULL;
    const struct json *json = json_parse(arena, text, length, &reason);

    ck_assert_int_eq(json == NULL, reason != NULL);
    if (reason != NULL) {
        /* One phrase for the client: nothing of the body in it, whole, printable. */
        ck_assert_int_eq(strncmp(reason, "line ", 5), 0);
        ck_assert(utf8_printable(reason, strlen(reason), false));
        ck_assert_msg(
            reason[strlen(reason) - 1] != ' ' && strstr(reason, " near '") == NULL, "'%s'", reason);
    }
    return json;
}

START_TEST(reads_strictly)
{
    static const struct {
        const char *text;
        size_t length; /* 0: to the NUL */
        bool good;
    } rows[] = {
        {"{}", 0, true},
        {" \t\r\n{} \n", 0, true},
        {"[]", 0, true},
        {"{\"a\":1,\"b\":{\"a\":1}}", 0, true},
        {"{\"a\":\"\\u0000\"}", 0, true},
        {"{\"a\":\"\\ud83d\\ude00\"}", 0, true},
        {"{\"\":1}", 0, true},
        {"{\"a\":1e400}", 0, false},
        {"{\"a\":-1e400}", 0, false},
        {"{\"a\":1e-400}", 0, true},
        {"{\"a\":9223372036854775807}", 0, true},
        {"{\"a\":9223372036854775808}", 0, false},
        {"{\"a\":-9223372036854775809}", 0, false},
        {"", 0, false},
        {"   ", 0, false},
        {"1", 0, false},
        {"\"a\"", 0, false},
        {"null", 0, false},
        {"{\"a\":1,\"a\":1}", 0, false},
        {"{\"a\":1,\"\\u0061\":2}", 0, false},
        {"{\"x\":{\"a\":1,\"a\":2}}", 0, false},
        {"[{\"a\":1,\"a\":2}]", 0, false},
        {"{\"a\\u0000b\":1}", 0, false},
        {"{\"a\":\"\0\"}", 9, false},
        {"{}\0", 3, false},
        {"{}{}", 0, false},
        {"{},", 0, false},
        {"{} x", 0, false},
        {"{\"a\":1,}", 0, false},
        {"[1,]", 0, false},
        {"{a:1}", 0, false},
        {"{'a':1}", 0, false},
        {"{\"a\":01}", 0, false},
        {"{\"a\":+1}", 0, false},
        {"{\"a\":.5}", 0, false},
        {"{\"a\":1.}", 0, false},
        {"{\"a\":0x1}", 0, false},
        {"{\"a\":NaN}", 0, false},
        {"{\"a\":Infinity}", 0, false},
        {"{\"a\":True}", 0, false},
        {"{\"a\":\"\n\"}", 0, false},
        {"{\"a\":\"\\x\"}", 0, false},
        {"{\"a\":\"\\u12\"}", 0, false},
        {"{\"a\":\"\\ud800\"}", 0, false},
        {"{\"a\":\"\\ude00\"}", 0, false},
        {"{\"a\":\"\\ude00\\ud83d\"}", 0, false},
        {"{\"a\":\"\\ud83dx\"}", 0, false},
        {"{\"a\":\"\xff\"}", 0, false},
        {"{\"a\":\"\xc3\"}", 0, false},
        {"{\"a\":\"\xc0\xaf\"}", 0, false},
        {"{\"a\":\"\xed\xa0\x80\"}", 0, false},
        {"{\"\xff\":1}", 0, false},
        {"\xef\xbb\xbf{}", 0, false},
        {"// x\n{}", 0, false},
        {"{\"a\":1", 0, false},
        {"{\"a", 0, false},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        size_t length = rows[i].length == 0 ? strlen(rows[i].text) : rows[i].length;
        char *text = malloc(length + 1);

        memcpy(text, rows[i].text, length);
        ck_assert_msg((parse(text, length) != NULL) == rows[i].good, "%s", rows[i].text);
        free(text);
    }
}
END_TEST

START_TEST(bounds_depth)
{
    enum { DEPTH = 30000 };
    char *text = malloc(DEPTH * 6 + 2);

    memset(text, '[', DEPTH);
    ck_assert_ptr_null(parse(text, DEPTH));
    memset(text + DEPTH, ']', DEPTH);
    ck_assert_ptr_null(parse(text, 2 * DEPTH));
    for (int i = 0; i < DEPTH; i++)
        memcpy(text + i * 5, "{\"a\":", 5);
    ck_assert_ptr_null(parse(text, DEPTH * 5));
    ck_assert_ptr_nonnull(parse("[[[[[[[[[[]]]]]]]]]]", 20));
    free(text);
}
END_TEST

START_TEST(reads_whole_numbers)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t number;
    } rows[] = {
        {"[3]", true, 3},
        {"[3.0]", true, 3},
        {"[-3.0e0]", true, -3},
        {"[3e2]", true, 300},
        {"[-0.0]", true, 0},
        {"[-0]", true, 0},
        {"[9007199254740992]", true, INT64_C(9007199254740992)},
        {"[9007199254740992.0]", true, INT64_C(9007199254740992)},
        {"[-9007199254740992]", true, INT64_C(-9007199254740992)},
        {"[9007199254740993]", false, 0},
        {"[-9223372036854775808]", false, 0},
        {"[9223372036854775807]", false, 0},
        {"[1e16]", false, 0},
        {"[1e300]", false, 0},
        {"[-1e300]", false, 0},
        {"[0.5]", false, 0},
        {"[3.0000000001]", false, 0},
        {"[1e-400]", true, 0},
        {"[\"3\"]", false, 0},
        {"[true]", false, 0},
        {"[null]", false, 0},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        const struct json *list = parse(rows[i].text, strlen(rows[i].text));
        int64_t number = 77;

        ck_assert_ptr_nonnull(list);
        ck_assert_msg(
            json_whole(json_array_at(list, 0), &number) == rows[i].whole, "%s", rows[i].text);
        if (rows[i].whole)
            ck_assert_int_eq(number, rows[i].number);
    }
}
END_TEST

START_TEST(walks_documents)
{
    static const char text[] = "{\"a\":\"x\\u0000y\",\"b\":[1,true,null,{}]}";
    const struct json *object = parse(text, sizeof text - 1), *value;
    const char *name;
    size_t length;
    unsigned seen = 0;
    void *at = NULL;

    ck_assert_int_eq(json_kind(object), JSON_KIND_OBJECT);
    ck_assert_ptr_null(json_member(object, "c"));
    ck_assert_mem_eq(json_text(json_member(object, "a"), &length), "x\0y", 4);
    ck_assert_uint_eq(length, 3);
    ck_assert_uint_eq(json_array_length(json_member(object, "b")), 4);
    ck_assert_int_eq(json_kind(json_array_at(json_member(object, "b"), 1)), JSON_KIND_BOOL);
    while ((at = json_members(object, at, &name, &value)) != NULL)
        seen |= 1u << (name[0] - 'a');
    ck_assert_uint_eq(seen, 3);
    ck_assert_ptr_null(json_members(parse("{}", 2), NULL, &name, &value));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("json");
    Suite *suite = suite_create("http_json");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_code_point);
    tcase_add_test(tests, cut_characters);
    tcase_add_test(tests, every_short_sequence);
    tcase_add_test(tests, overlong_forms);
    tcase_add_test(tests, writes_every_code_point);
    tcase_add_test(tests, writes_documents);
    tcase_add_test(tests, reads_strictly);
    tcase_add_test(tests, bounds_depth);
    tcase_add_test(tests, reads_whole_numbers);
    tcase_add_test(tests, walks_documents);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
