/*
 * base_memory.c: the arena and the buffers in it.
 */
#include "base/arena.h"
#include "base/buf.h"

#include <check.h>

static char order[16];
static size_t order_length;

static void note(void *object)
{
    order[order_length++] = *(char *)object;
    order[order_length] = '\0';
}

START_TEST(aligned_and_apart)
{
    struct arena *arena = arena_new(256);
    char *memory[200];

    for (size_t i = 0; i < countof(memory); i++) {
        memory[i] = arena_alloc(arena, i);
        ck_assert_uint_eq((uintptr_t)memory[i] % _Alignof(max_align_t), 0);
        memset(memory[i], (int)i, i);
    }
    for (size_t i = 0; i < countof(memory); i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_int_eq((unsigned char)memory[i][j], (int)i);
    arena_free(arena);
}
END_TEST

START_TEST(larger_than_a_block)
{
    struct arena *arena = arena_new(64);
    char *memory = arena_zalloc(arena, 100000);

    for (size_t i = 0; i < 100000; i++)
        ck_assert_int_eq(memory[i], 0);
    ck_assert_uint_ge(arena_held(arena), 100064);
    arena_reset(arena);
    ck_assert_uint_lt(arena_held(arena), 1000);
    arena_free(arena);
}
END_TEST

START_TEST(deferred_newest_first)
{
    struct arena *arena = arena_new(64);

    arena_defer(arena, note, "a");
    arena_defer(arena, note, "b");
    arena_reset(arena);
    ck_assert_str_eq(order, "ba");
    arena_reset(arena);
    ck_assert_str_eq(order, "ba");
    arena_defer(arena, note, "c");
    arena_free(arena);
    ck_assert_str_eq(order, "bac");
    arena_free(NULL);
}
END_TEST

/* The same work again and again needs no more memory. */
START_TEST(reset_reuses)
{
    struct arena *arena = arena_new(4096);
    size_t held = 0;

    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 50; i++)
            arena_alloc(arena, 40);
        if (round == 0)
            held = arena_held(arena);
        ck_assert_uint_eq(arena_held(arena), held);
        arena_reset(arena);
    }
    arena_free(arena);
}
END_TEST

START_TEST(strings)
{
    struct arena *arena = arena_new(64);

    ck_assert_str_eq(arena_string(arena, "abc"), "abc");
    ck_assert_ptr_null(arena_string(arena, NULL));
    ck_assert_str_eq(arena_copy(arena, "abcdef", 3), "abc");
    ck_assert_str_eq(arena_copy(arena, NULL, 0), "");
    ck_assert_str_eq(arena_format(arena, "%d-%s", 7, "x"), "7-x");
    ck_assert_str_eq(arena_format(arena, "%s", ""), "");
    arena_free(arena);
}
END_TEST

START_TEST(buf_grows)
{
    struct arena *arena = arena_new(64);
    char expected[3000];
    struct buf buf;

    buf_init(&buf, arena, 0);
    ck_assert_str_eq(buf.data, "");
    for (size_t i = 0; i < 2999; i++) {
        expected[i] = (char)('a' + i % 26);
        buf_putc(&buf, expected[i]);
        ck_assert_int_eq(buf.data[buf.length], '\0');
    }
    ck_assert_uint_eq(buf.length, 2999);
    ck_assert_mem_eq(buf.data, expected, 2999);
    buf_put(&buf, "", 0);
    buf_puts(&buf, "end");
    ck_assert_str_eq(buf.data + 2999, "end");
    arena_free(arena);
}
END_TEST

START_TEST(buf_formats)
{
    struct arena *arena = arena_new(64);
    struct buf buf;

    buf_init(&buf, arena, 4);
    buf_printf(&buf, "%s%04d", "x", 12);
    buf_printf(&buf, "%s", "");
    memcpy(buf_reserve(&buf, 3), "abc", 3);
    buf_advance(&buf, 3);
    ck_assert_str_eq(buf.data, "x0012abc");
    ck_assert_uint_eq(buf.length, 8);
    arena_free(arena);
}
END_TEST

START_TEST(buf_numbers)
{
    static const int64_t numbers[] = {
        0, 1, -1, 9, 10, -10, 99, 100, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    struct arena *arena = arena_new(64);
    char expected[32];
    struct buf buf;

    for (size_t i = 0; i < countof(numbers); i++) {
        buf_init(&buf, arena, 0);
        buf_int(&buf, numbers[i]);
        snprintf(expected, sizeof expected, "%" PRId64, numbers[i]);
        ck_assert_str_eq(buf.data, expected);
    }
    arena_free(arena);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("memory");
    Suite *suite = suite_create("base_memory");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, aligned_and_apart);
    tcase_add_test(tests, larger_than_a_block);
    tcase_add_test(tests, deferred_newest_first);
    tcase_add_test(tests, reset_reuses);
    tcase_add_test(tests, strings);
    tcase_add_test(tests, buf_grows);
    tcase_add_test(tests, buf_formats);
    tcase_add_test(tests, buf_numbers);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
