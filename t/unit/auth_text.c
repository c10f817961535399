/*
 * auth_text.c: base64url and e-mail addresses: tables of texts.
 */
#include "auth/base64url.h"
#include "auth/email.h"

#include <check.h>

START_TEST(base64url_vectors)
{
    /* RFC 4648 section 10, without padding; and the two characters of this alphabet. */
    static const char *const rows[][2] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};

    for (size_t i = 0; i < countof(rows); i++) {
        size_t length = strlen(rows[i][0]);
        char text[16];
        char bytes[16];

        ck_assert_uint_eq(base64url_encode(rows[i][0], length, text), BASE64URL_LENGTH(length));
        ck_assert_str_eq(text, rows[i][1]);
        ck_assert_int_eq(base64url_decode(text, strlen(text), bytes, length), (ssize_t)length);
        ck_assert_mem_eq(bytes, rows[i][0], length);
        if (length > 0)
            ck_assert_int_eq(base64url_decode(text, strlen(text), bytes, length - 1), -1);
    }
}
END_TEST

START_TEST(base64url_refuses)
{
    static const char *const rows[] = {"Z", "A", "Zm9vA", "Zg=", "Zg==", "Zh", "Zm9", "Zm9vZ",
        " Zg", "Zg ", "Zg\n", "+_8", "-/8", "Zm9vYmF=", "Z.m9", "\xc3\xa4gg"};
    char bytes[16];

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(
            base64url_decode(rows[i], strlen(rows[i]), bytes, sizeof bytes) == -1, "%s", rows[i]);
    ck_assert_int_eq(base64url_decode("Zm\0v", 4, bytes, sizeof bytes), -1);
}
END_TEST

/* Every byte sequence has one text, and every other text of that length is refused. */
START_TEST(base64url_is_a_bijection)
{
    int accepted = 0;

    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            char again[3];
            uint8_t byte;

            if (base64url_decode(text, 2, &byte, 1) != 1)
                continue;
            accepted++;
            base64url_encode(&byte, 1, again);
            ck_assert_mem_eq(again, text, 2);
        }
    }
    ck_assert_int_eq(accepted, 256);
}
END_TEST

START_TEST(emails)
{
    static const char *const good[] = {"a@b.co", "ann@example.com", "ann.lee+pets@mail.example.org",
        "o'brien@example.ie", "!#$%&'*+-/=?^_`{|}~@example.com", "1@2.3", "a@xn--bcher-kva.example",
        "a@a-b.c-d.example", "A@B.CO"};
    static const char *const bad[] = {"", "@", "a", "a@", "@b.co", "a@b", "a@@b.co", "a@b@c.co",
        ".a@b.co", "a.@b.co", "a..b@b.co", "a b@b.co", "a@b .co", " a@b.co", "a@b.co ", "a@b.co\n",
        "a@-b.co", "a@b-.co", "a@b..co", "a@.b.co", "a@b.co.", "a@b_c.co", "\"a\"@b.co",
        "a@[192.0.2.1]", "a(b)@c.co", "a,b@c.co", "a;b@c.co", "a<b>@c.co", "\xc3\xa4@b.co",
        "a@\xc3\xa4.co", "a\\b@c.co", "a\x7f@b.co", "a\r\nBcc: x@b.co"};
    char text[400];

    for (size_t i = 0; i < countof(good); i++)
        ck_assert_msg(email_valid(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        ck_assert_msg(!email_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
    ck_assert(!email_valid("a\0b@c.co", 8));
    ck_assert(!email_valid("a@b.co\0", 7));

    memset(text, 'a', sizeof text);
    snprintf(text + 64, sizeof text - 64, "@b.co");
    ck_assert(email_valid(text, 69));
    ck_assert(!email_valid("a", 1));
    memset(text, 'a', sizeof text);
    snprintf(text + 65, sizeof text - 65, "@b.co");
    ck_assert(!email_valid(text, 70));

    /* Labels of 63 and 64, and 254 and 255 characters in all. */
    memset(text, 'a', sizeof text);
    memcpy(text, "a@", 2);
    text[65] = '.';
    ck_assert(email_valid(text, 66 + 10));
    memset(text, 'a', sizeof text);
    memcpy(text, "a@", 2);
    text[66] = '.';
    ck_assert(!email_valid(text, 67 + 10));
    memset(text, 'a', sizeof text);
    text[60] = '@';
    for (size_t i = 110; i < 254; i += 50)
        text[i] = '.';
    ck_assert(email_valid(text, 254));
    ck_assert(!email_valid(text, 255));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");
    Suite *suite = suite_create("auth_text");
    SRunner *runner;
    int failed;

    tcase_add_test(tests, base64url_vectors);
    tcase_add_test(tests, base64url_refuses);
    tcase_add_test(tests, base64url_is_a_bijection);
    tcase_add_test(tests, emails);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
