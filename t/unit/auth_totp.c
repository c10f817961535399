/*
 * auth_totp.c: the codes of RFC 6238, how far a clock may be off, that a code is good once, and
 * what an authenticator app is given.
 */
#include "auth/totp.h"

#include <check.h>

static const uint8_t secret[TOTP_SECRET_SIZE + 1] = "12345678901234567890";

static enum totp_result check_at(int64_t now_s, const char *code, int64_t last_step, int64_t *step)
{
    return totp_check(secret, code, strlen(code), now_s, last_step, step);
}

/* Appendix B, the last six of its eight digits. */
static const struct {
    int64_t now_s;
    const char *code;
} vectors[] = {{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"},
    {1234567890, "005924"}, {2000000000, "279037"}, {INT64_C(20000000000), "353130"}};

START_TEST(rfc_6238)
{
    for (size_t i = 0; i < countof(vectors); i++) {
        int64_t step = -1;

        ck_assert_int_eq(check_at(vectors[i].now_s, vectors[i].code, -1, &step), TOTP_GOOD);
        ck_assert_int_eq(step, vectors[i].now_s / 30);
    }
}
END_TEST

START_TEST(drift)
{
    for (size_t i = 1; i < countof(vectors); i++) {
        int64_t at = vectors[i].now_s / 30;

        for (int64_t step = at - 3; step <= at + 3; step++) {
            bool near = step >= at - 1 && step <= at + 1;
            int64_t found = -1;

            for (int64_t second = 0; second < 30; second += 29) {
                ck_assert_int_eq(check_at(step * 30 + second, vectors[i].code, -1, &found),
                    near ? TOTP_GOOD : TOTP_WRONG);
                ck_assert_int_eq(found, near ? at : -1);
            }
        }
    }
}
END_TEST

START_TEST(once)
{
    int64_t at = vectors[1].now_s / 30;
    int64_t step;

    for (int64_t last = at - 2; last <= at + 2; last++)
        ck_assert_int_eq(check_at(vectors[1].now_s, vectors[1].code, last, &step),
            last < at ? TOTP_GOOD : TOTP_USED);
    /* A code of the step before is gone with it, even if it was never used. */
    ck_assert_int_eq(check_at(vectors[1].now_s + 30, vectors[1].code, at + 1, &step), TOTP_USED);
    ck_assert_int_eq(check_at(vectors[1].now_s, "081805", at, &step), TOTP_WRONG);
}
END_TEST

START_TEST(malformed)
{
    static const char *const rows[] = {"", "2", "28708", "2870820", "94287082", "28708a", " 287082",
        "287082 ", "287 82", "+87082", "-87082", "28708\n", "\xd9\xa2\xd9\xa8\xd9\xa7"};
    int64_t step;

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(check_at(59, rows[i], -1, &step) == TOTP_WRONG, "%s", rows[i]);
    ck_assert_int_eq(totp_check(secret, "28708\0", 6, 59, -1, &step), TOTP_WRONG);
    ck_assert_int_eq(totp_check(secret, "287082", 6, 0, -1, &step), TOTP_GOOD);
}
END_TEST

/* Of a million codes exactly three are good at a time (or two, should they be alike). */
START_TEST(all_codes)
{
    int good = 0;
    int64_t sum = 0;

    for (int i = 0; i < 1000000; i++) {
        char code[16];
        int64_t step;

        snprintf(code, sizeof code, "%06d", i);
        if (check_at(1111111111, code, -1, &step) == TOTP_GOOD) {
            good++;
            sum += step;
        }
    }
    ck_assert_int_eq(good, 3);
    ck_assert_int_eq(sum, 3 * (INT64_C(1111111111) / 30));
}
END_TEST

START_TEST(secrets)
{
    uint8_t one[TOTP_SECRET_SIZE] = {0};
    uint8_t two[TOTP_SECRET_SIZE] = {0};
    char text[TOTP_TEXT_LENGTH + 1];

    totp_secret(one);
    totp_secret(two);
    ck_assert_mem_ne(one, two, sizeof one);
    ck_assert_int_eq(totp_text(secret, text), 0);
    ck_assert_str_eq(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}
END_TEST

START_TEST(addresses)
{
    static const struct {
        const char *issuer, *account, *uri;
    } rows[] = {
        {"Pets", "ann@example.org",
            "otpauth://totp/Pets:ann%40example.org?secret=S&issuer=Pets&algorithm=SHA1&digits=6&"
            "period=30"},
        {"Pets & Co.", "a+b:c/d?e#f%@x.y",
            "otpauth://totp/Pets%20%26%20Co.:a%2Bb%3Ac%2Fd%3Fe%23f%25%40x.y?secret=S&issuer="
            "Pets%20%26%20Co.&algorithm=SHA1&digits=6&period=30"},
        {"B\xc3\xa4r", "x",
            "otpauth://totp/B%C3%A4r:x?secret=S&issuer=B%C3%A4r&algorithm=SHA1&digits=6&period=30"},
    };
    struct arena *arena = arena_new(1024);

    for (size_t i = 0; i < countof(rows); i++) {
        struct buf out;

        buf_init(&out, arena, 16);
        totp_uri(&out, rows[i].issuer, rows[i].account, "S");
        ck_assert_str_eq(out.data, rows[i].uri);
    }
    arena_free(arena);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("totp");
    Suite *suite = suite_create("auth_totp");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, rfc_6238);
    tcase_add_test(tests, drift);
    tcase_add_test(tests, once);
    tcase_add_test(tests, malformed);
    tcase_add_test(tests, all_codes);
    tcase_add_test(tests, secrets);
    tcase_add_test(tests, addresses);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
