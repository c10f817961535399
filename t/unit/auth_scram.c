/*
 * auth_scram.c: the verifier of a password, against the exchange that RFC 7677 gives as an example.
 */
#include "auth/scram.h"

#include <check.h>

/* W22ZaJ0SNY7soEsUEjb6gQ== */
static const uint8_t salt[SCRAM_SALT_SIZE] = {
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

START_TEST(example)
{
    char verifier[SCRAM_VERIFIER_SIZE];

    ck_assert_int_eq(scram_verifier("pencil", 6, salt, verifier), 0);
    ck_assert_str_eq(verifier, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
                               "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                               "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}
END_TEST

/* What would have to be prepared first (SASLprep) is not taken. */
START_TEST(plain_only)
{
    static const char *const refused[] = {"", "pen\ncil", "p\xc3\xa9ncil", "pencil\x7f"};
    char verifier[SCRAM_VERIFIER_SIZE];

    for (size_t i = 0; i < countof(refused); i++)
        ck_assert_int_eq(scram_verifier(refused[i], strlen(refused[i]), salt, verifier), -1);
    ck_assert_int_eq(scram_verifier(" ~", 2, salt, verifier), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("scram");
    Suite *suite = suite_create("auth_scram");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, example);
    tcase_add_test(tests, plain_only);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
