/*
 * db_values.c: what goes to PostgreSQL (binding), what comes back (rows), what its errors mean, and
 * where and when it is tried again.
 * Binding a wrong type and reading a wrong width are programming errors and abort: that is tested
 * by their signal.
 */
#include "base/base.h"

#include <check.h>

#include "db/attempt.h"
#include "db/query.h"
#include "db/sqlstate.h"

static struct arena *arena;
static struct query query;

static void set_up(void)
{
    arena = arena_new(1024);
}

static void tear_down(void)
{
    arena_free(arena);
}

/* --- binding --- */

static void check_bound(int at, const void *bytes, int length, int format)
{
    ck_assert_int_eq(query.bound, at + 1);
    ck_assert_int_eq(query.lengths[at], length);
    ck_assert_int_eq(query.formats[at], format);
    if (bytes == NULL)
        ck_assert_ptr_null(query.values[at]);
    else
        ck_assert_mem_eq(query.values[at], bytes, (size_t)length);
}

START_TEST(binds_session)
{
    struct uuid id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}}, copy = id;

    query_init(&query, arena, STATEMENT_SESSION_OPEN);
    query_uuid(&query, &id);
    memset(&id, 0, sizeof id); /* it is copied */
    check_bound(0, copy.bytes, 16, 1);
    query_uuid(&query, NULL);
    check_bound(1, NULL, 0, 1);
    query_bytes(&query, "\0\1", 2);
    check_bound(2, "\0\1", 2, 1);
    query_bool(&query, true);
    check_bound(3, "\1", 1, 1);
    query_int4(&query, -2);
    check_bound(4, "\xff\xff\xff\xfe", 4, 1);
    query_int4(&query, 2);
    check_bound(5, "\0\0\0\2", 4, 1);
    query_inet(&query, "127.0.0.1");
    check_bound(6, "127.0.0.1", 9, 0);
    query_text(&query, "a\0b", 3);
    check_bound(7, "a\0b", 3, 1);
    query_string(&query, NULL);
    check_bound(8, NULL, 0, 1);
}
END_TEST

START_TEST(binds_nothing_as_null)
{
    query_init(&query, arena, STATEMENT_SESSION_OPEN);
    for (int i = 0; i < 6; i++)
        query_null(&query);
    query_inet(&query, "");
    check_bound(6, NULL, 0, 1);
    query_text(&query, "", 0);
    ck_assert_ptr_nonnull(query.values[7]); /* an empty text is no null */
    query_string(&query, "");
    ck_assert_ptr_nonnull(query.values[8]);
}
END_TEST

START_TEST(binds_numbers)
{
    static const struct {
        int32_t value;
        const char *bytes;
    } rows[] = {{0, "\0\0\0\0"}, {1, "\0\0\0\1"}, {-1, "\xff\xff\xff\xff"},
        {INT32_MAX, "\x7f\xff\xff\xff"}, {INT32_MIN, "\x80\0\0\0"}};

    for (size_t i = 0; i < countof(rows); i++) {
        query_init(&query, arena, STATEMENT_SESSION_OPEN);
        for (int before = 0; before < 4; before++)
            query_null(&query);
        query_int4(&query, rows[i].value);
        check_bound(4, rows[i].bytes, 4, 1);
    }
}
END_TEST

/* As array_recv reads it: dimensions, flags, element type, size, lower bound, elements. */
START_TEST(binds_arrays)
{
    static const struct text texts[] = {{"a", 1}, {"", 0}, {"\xc3\xa4\"", 3}};
    static const int32_t versions[] = {1, INT32_MAX};
    static const uint8_t empty[] = "\0\0\0\0\0\0\0\0\0\0\x03\xef";
    static const uint8_t two[] =
        "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\1\0\0\0\4\x7f\xff\xff\xff";
    static const uint8_t three[] =
        "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\1a\0\0\0\0\0\0\0\3\xc3\xa4\"";
    int tags = -1;

    query_init(&query, arena, STATEMENT_PET_DELETE);
    query_null(&query);
    query_null(&query);
    query_int4_array(&query, versions, 2);
    check_bound(2, two, sizeof two - 1, 1);
    query_init(&query, arena, STATEMENT_PET_DELETE);
    query_null(&query);
    query_null(&query);
    query_int4_array(&query, NULL, 0);
    ck_assert_int_eq(query.lengths[2], sizeof empty - 1);
    ck_assert_mem_eq(query.values[2], "\0\0\0\0\0\0\0\0\0\0\0\x17", 12);

    query_init(&query, arena, STATEMENT_PET_CREATE);
    for (int i = 0; i < statements[STATEMENT_PET_CREATE].params && tags < 0; i++) {
        if (statements[STATEMENT_PET_CREATE].types[i] == 1009)
            tags = i;
        else
            query_null(&query);
    }
    ck_assert_int_ge(tags, 0);
    query_text_array(&query, texts, countof(texts));
    check_bound(tags, three, sizeof three - 1, 1);

    /* jsonb is its text behind a version. */
    query_init(&query, arena, STATEMENT_PET_CREATE_BATCH);
    query_null(&query);
    query_json(&query, "[1]xx", 3);
    check_bound(1, "\1[1]", 4, 1);
}
END_TEST

START_TEST(aborts_on_a_wrong_type)
{
    query_init(&query, arena, STATEMENT_SESSION_OPEN);
    query_int4(&query, 1);
}
END_TEST

START_TEST(aborts_on_one_too_many)
{
    query_init(&query, arena, STATEMENT_READY);
    for (int i = 0; i <= statements[STATEMENT_READY].params; i++)
        query_null(&query);
}
END_TEST

START_TEST(statements_fit)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        ck_assert_int_le(statements[i].params, QUERY_PARAMS);
        ck_assert_uint_ne(statements[i].pools, 0);
        ck_assert_ptr_nonnull(statements[i].sql);
        ck_assert_int_eq(statements[i].types == NULL, statements[i].params == 0);
    }
}
END_TEST

/* --- rows --- */

static struct cell cell;
static const struct rows one = {1, 1, &cell};

static void put(const void *bytes, int length)
{
    cell = (struct cell){bytes, length};
}

START_TEST(reads_values)
{
    size_t length;

    put("\xff\xff\xff\xfe", 4);
    ck_assert_int_eq(rows_int4(&one, 0, 0), -2);
    ck_assert_int_eq(rows_date(&one, 0, 0), -2);
    put("\x80\0\0\0\0\0\0\1", 8);
    ck_assert_int_eq(rows_int8(&one, 0, 0), INT64_MIN + 1);
    ck_assert_int_eq(rows_timestamp(&one, 0, 0), INT64_MIN + 1);
    put("\1", 1);
    ck_assert(rows_bool(&one, 0, 0));
    put("\0", 1);
    ck_assert(!rows_bool(&one, 0, 0));
    put("0123456789abcdef", 16);
    ck_assert_mem_eq(rows_uuid(&one, 0, 0), "0123456789abcdef", 16);
    put("active", 6);
    ck_assert_ptr_eq(rows_text(&one, 0, 0, &length), cell.bytes);
    ck_assert_uint_eq(length, 6);
    ck_assert(rows_is(&one, 0, 0, "active"));
    ck_assert(!rows_is(&one, 0, 0, "activ"));
    ck_assert(!rows_is(&one, 0, 0, "active "));
    put("\1{}", 3);
    ck_assert_mem_eq(rows_json(&one, 0, 0, &length), "{}", 2);
    ck_assert_uint_eq(length, 2);
    put("\1", 1);
    rows_json(&one, 0, 0, &length);
    ck_assert_uint_eq(length, 0);
    ck_assert(!rows_null(&one, 0, 0));
    put("", -1);
    ck_assert(rows_null(&one, 0, 0));
    rows_text(&one, 0, 0, &length);
    ck_assert_uint_eq(length, 0);
}
END_TEST

START_TEST(walks_arrays)
{
    static const uint8_t two[] = "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\2ab";
    static const uint8_t none[] = "\0\0\0\0\0\0\0\0\0\0\0\x19";
    const char *text;
    size_t at = 0, length;

    put(two, sizeof two - 1);
    ck_assert(rows_array_next(&one, 0, 0, &at, &text, &length));
    ck_assert_uint_eq(length, 0);
    ck_assert(rows_array_next(&one, 0, 0, &at, &text, &length));
    ck_assert_mem_eq(text, "ab", 2);
    ck_assert(!rows_array_next(&one, 0, 0, &at, &text, &length));
    at = 0;
    put(none, sizeof none - 1);
    ck_assert(!rows_array_next(&one, 0, 0, &at, &text, &length));
    put(NULL, -1);
    ck_assert(!rows_array_next(&one, 0, 0, &at, &text, &length));
}
END_TEST

/* Cut at every length, in a buffer that ends there: an end, an abort, but never a byte too far. */
START_TEST(survives_cut_arrays)
{
    static const uint8_t whole[] = "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0";

    for (size_t size = 0; size < sizeof whole; size++) {
        uint8_t *bytes = malloc(MAX(size, 1));
        size_t at = 0, length;
        const char *text;
        int seen = 0;

        memcpy(bytes, whole, size);
        put(bytes, (int)size);
        while (rows_array_next(&one, 0, 0, &at, &text, &length))
            seen++;
        ck_assert_int_le(seen, 2);
        free(bytes);
    }
}
END_TEST

/* What must abort, each in a process of its own. */
enum { CASES = 10 };
START_TEST(aborts)
{
    static const uint8_t lying[] = "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\5abcd";
    static const uint8_t holding_null[] =
        "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1\xff\xff\xff\xff";
    size_t at = 0, length;
    const char *text;

    put("12345678", 8);
    switch (_i) {
    case 0:
        rows_int4(&one, 0, 0);
        break;
    case 1:
        rows_uuid(&one, 0, 0);
        break;
    case 2:
        rows_bool(&one, 0, 0);
        break;
    case 3:
        rows_int8(&one, 1, 0);
        break;
    case 4:
        rows_int8(&one, 0, 1);
        break;
    case 5:
        rows_int8(&one, -1, 0);
        break;
    case 6:
        put("\2{}", 3);
        rows_json(&one, 0, 0, &length);
        break;
    case 7:
        put("", 0);
        rows_json(&one, 0, 0, &length);
        break;
    case 8:
        put(lying, sizeof lying - 1);
        rows_array_next(&one, 0, 0, &at, &text, &length);
        break;
    default:
        put(holding_null, sizeof holding_null - 1);
        rows_array_next(&one, 0, 0, &at, &text, &length);
        break;
    }
}
END_TEST

/* --- errors --- */

START_TEST(maps_sqlstates)
{
    static const struct {
        const char *sqlstate, *constraint;
        enum err err;
    } rows[] = {
        {"PE001", NULL, ERR_SESSION_ENDED},
        {"PE003", NULL, ERR_FORBIDDEN},
        {"PE006", NULL, ERR_LAST_ADMIN},
        {"PE002", NULL, ERR_INTERNAL},
        {"23505", "account_email_key", ERR_EMAIL_TAKEN},
        {"23505", "pet_microchip_key", ERR_MICROCHIP_TAKEN},
        {"23505", "pet_pkey", ERR_INTERNAL},
        {"23505", NULL, ERR_INTERNAL},
        {"23514", "pet_name_size", ERR_INTERNAL},
        {"57014", NULL, ERR_TIMED_OUT},
        {"55P03", NULL, ERR_OVERLOADED},
        {"40001", NULL, ERR_OVERLOADED},
        {"40P01", NULL, ERR_OVERLOADED},
        {"53300", NULL, ERR_DATABASE_UNAVAILABLE},
        {"53100", NULL, ERR_DATABASE_UNAVAILABLE},
        {"57P01", NULL, ERR_DATABASE_UNAVAILABLE},
        {"57P03", NULL, ERR_DATABASE_UNAVAILABLE},
        {"08006", NULL, ERR_DATABASE_UNAVAILABLE},
        {"25006", NULL, ERR_DATABASE_UNAVAILABLE},
        {"25P02", NULL, ERR_INTERNAL},
        {"42501", NULL, ERR_INTERNAL},
        {"42601", NULL, ERR_INTERNAL},
        {"22021", NULL, ERR_INTERNAL},
        {"XX000", NULL, ERR_INTERNAL},
        {"", NULL, ERR_INTERNAL},
        {"5", NULL, ERR_INTERNAL},
    };

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(sqlstate_err(rows[i].sqlstate, rows[i].constraint) == rows[i].err, "%s",
            rows[i].sqlstate);
}
END_TEST

START_TEST(begins_with_each_host_in_turn)
{
    static const char *const turns[] = {"a,/b,c", "/b,c,a", "c,a,/b", "a,/b,c"};
    char turned[16];

    ck_assert_int_eq(attempt_host_count("a"), 1);
    ck_assert_int_eq(attempt_host_count("a,/b,c"), 3);
    for (int i = 0; i < (int)countof(turns); i++) {
        attempt_hosts("a,/b,c", i, turned, sizeof turned);
        ck_assert_str_eq(turned, turns[i]);
    }
    attempt_hosts("alone", 7, turned, sizeof turned);
    ck_assert_str_eq(turned, "alone");
}
END_TEST

START_TEST(waits_longer_up_to_the_limit)
{
    static const struct {
        int failures, limit_ms, most_ms;
    } rows[] = {{1, 5000, 100}, {2, 5000, 200}, {5, 5000, 1600}, {9, 5000, 5000}, {1, 10, 10}};

    for (size_t i = 0; i < countof(rows); i++) {
        int64_t wait = attempt_wait_us(rows[i].failures, rows[i].limit_ms);

        ck_assert_int_ge(wait, rows[i].most_ms * 500);
        ck_assert_int_le(wait, rows[i].most_ms * 1000);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("values");
    Suite *suite = suite_create("db_values");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, binds_session);
    tcase_add_test(tests, binds_nothing_as_null);
    tcase_add_test(tests, binds_numbers);
    tcase_add_test(tests, binds_arrays);
    tcase_add_test_raise_signal(tests, aborts_on_a_wrong_type, SIGABRT);
    tcase_add_test_raise_signal(tests, aborts_on_one_too_many, SIGABRT);
    tcase_add_test(tests, statements_fit);
    tcase_add_test(tests, reads_values);
    tcase_add_test(tests, walks_arrays);
    tcase_add_test(tests, survives_cut_arrays);
    tcase_add_loop_test_raise_signal(tests, aborts, SIGABRT, 0, CASES);
    tcase_add_test(tests, maps_sqlstates);
    tcase_add_test(tests, begins_with_each_host_in_turn);
    tcase_add_test(tests, waits_longer_up_to_the_limit);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
