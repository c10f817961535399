/*
 * auth_password.c: hashes that were made elsewhere (so the format cannot drift), what is refused,
 * and that time does not tell whether an account exists.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/password.h"
#include "place.h"

#include <check.h>
#include <crypt.h>
#include <sys/stat.h>

#define PEPPER "0123456789abcdef0123456789abcdef"

enum { COST = 4 }; /* the lowest there is: these tests are not about being slow */

static char path[64];
static struct pepper *pepper;
static char error[512];

static void write_pepper(const char *text, size_t length, mode_t mode)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fchmod(fileno(file), mode), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    int fd;

    place(path, sizeof path, "pets-pepper");
    fd = mkstemp(path);
    ck_assert_int_ne(fd, -1);
    close(fd);
    write_pepper(PEPPER "\n", sizeof PEPPER, 0600);
    pepper = pepper_read(path, error, sizeof error);
    ck_assert_msg(pepper != NULL, "%s", error);
}

static void teardown(void)
{
    pepper_free(pepper);
    unlink(path);
}

/* Made by other programs from the definition, not by this code. */
START_TEST(known_hashes)
{
    static const struct {
        const char *password;
        size_t length;
        const char *hash;
    } rows[] = {
        {"correct horse battery staple", 28,
            "$2b$04$abcdefghijklmnopqrstuua/vOjymZjuL7RUz6CVPMMMxvyWZ9q7e"},
        {"K\303\244tzchen und Hund", 18,
            "$2b$04$abcdefghijklmnopqrstuuXxa2pL4/uM3VL/1oQiOP65PfCPnf0Hy"},
        {"with\000a NUL and\377 more", 20,
            "$2b$04$abcdefghijklmnopqrstuuCEghYJeNBGclScC3uiaKyBqf88MXW7W"},
    };

    char cousin[PASSWORD_HASH_SIZE];

    ck_assert_str_eq(pepper_id(pepper), "63ebb43a");
    for (size_t i = 0; i < countof(rows); i++) {
        ck_assert(password_verify(pepper, rows[i].password, rows[i].length, rows[i].hash));
        ck_assert(!password_verify(pepper, rows[i].password, rows[i].length - 1, rows[i].hash));

        /* The same digest under the name of a cousin. */
        memcpy(cousin, rows[i].hash, sizeof cousin - 3);
        cousin[2] = 'y';
        ck_assert(!password_verify(pepper, rows[i].password, rows[i].length, cousin));
    }
}
END_TEST

/* The same from the libraries directly. */
START_TEST(definition)
{
    static const char password[] = "correct horse battery staple";
    char hash[PASSWORD_HASH_SIZE];
    uint8_t mac[48];
    char phrase[65];
    struct crypt_data *data = calloc(1, sizeof *data);

    ck_assert_int_eq(password_hash(pepper, password, sizeof password - 1, COST, hash), 0);
    HMAC(EVP_sha384(), PEPPER, 32, (const uint8_t *)password, sizeof password - 1, mac, NULL);
    EVP_EncodeBlock((uint8_t *)phrase, mac, sizeof mac);
    ck_assert_str_eq(crypt_r(phrase, hash, data), hash);
    ck_assert_uint_eq(strlen(hash), 60);
    ck_assert_int_eq(strncmp(hash, "$2b$04$", 7), 0);
    free(data);
}
END_TEST

START_TEST(every_byte_counts)
{
    char password[PASSWORD_MAX];
    char hash[PASSWORD_HASH_SIZE];
    char again[PASSWORD_HASH_SIZE];

    /* Beyond bcrypt's 72 bytes, behind a NUL, and the last of 1024. */
    memset(password, 0, sizeof password);
    ck_assert_int_eq(password_hash(pepper, password, sizeof password, COST, hash), 0);
    ck_assert(password_verify(pepper, password, sizeof password, hash));
    ck_assert(!password_verify(pepper, password, sizeof password - 1, hash));
    password[1] = 1;
    ck_assert(!password_verify(pepper, password, sizeof password, hash));
    password[1] = 0;
    password[sizeof password - 1] = (char)0x80;
    ck_assert(!password_verify(pepper, password, sizeof password, hash));
    password[sizeof password - 1] = 0;
    ck_assert(password_verify(pepper, password, sizeof password, hash));
    ck_assert(!password_verify(pepper, "", 0, hash));

    /* A fresh salt each time. */
    ck_assert_int_eq(password_hash(pepper, password, sizeof password, COST, again), 0);
    ck_assert_str_ne(hash, again);
}
END_TEST

START_TEST(another_pepper)
{
    char hash[PASSWORD_HASH_SIZE];
    struct pepper *other;

    write_pepper("0123456789abcdef0123456789abcdeF", 32, 0400);
    other = pepper_read(path, error, sizeof error);
    ck_assert_msg(other != NULL, "%s", error);
    ck_assert_str_ne(pepper_id(other), pepper_id(pepper));
    ck_assert_int_eq(password_hash(pepper, "x", 1, COST, hash), 0);
    ck_assert(!password_verify(other, "x", 1, hash));
    pepper_free(other);
}
END_TEST

START_TEST(peppers_refused)
{
    static const struct {
        const char *text;
        size_t length;
        mode_t mode;
        const char *because;
    } rows[] = {
        {"", 0, 0600, "is empty"},
        {"\n", 1, 0600, "is too short"},
        {"0123456789abcdef0123456789abcde\n", 32, 0600, "is too short"},
        {"0123456789abcdef 123456789abcdef\n", 33, 0600, "printable"},
        {"0123456789abcdef\n0123456789abcdef\n", 34, 0600, "printable"},
        {"0123456789abcdef0123456789abcdef\0", 33, 0600, "printable"},
        {"0123456789abcdef0123456789abcde\xc3\xa4\n", 34, 0600, "printable"},
        {PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER "x", 257, 0600, "is too long"},
        {PEPPER, 32, 0640, "0600"},
        {PEPPER, 32, 0604, "0600"},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        write_pepper(rows[i].text, rows[i].length, rows[i].mode);
        ck_assert_msg(pepper_read(path, error, sizeof error) == NULL, "row %zu", i);
        ck_assert_msg(strstr(error, rows[i].because) != NULL, "row %zu: %s", i, error);
        ck_assert_msg(strstr(error, "0123456789") == NULL, "the secret: %s", error);
    }
    write_pepper(PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER PEPPER "\r\n", 258, 0600);
    pepper_free(pepper);
    pepper = pepper_read(path, error, sizeof error);
    ck_assert_msg(pepper != NULL, "%s", error);
}
END_TEST

START_TEST(malformed_hashes)
{
    static const char *const rows[] = {"", "*0", "*1", "$2b$", "$2b$04$", "x",
        "$2b$04$abcdefghijklmnopqrstuu", "$1$abcdefgh$1234567890123456789012",
        "$2b$99$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghij",
        "$2b$03$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghij",
        "$2a$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghij",
        "$2b$04$!bcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghij",
        "$2b$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghij1",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh"};
    char unterminated[PASSWORD_HASH_SIZE];

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(!password_verify(pepper, "x", 1, rows[i]), "%s", rows[i]);
    memset(unterminated, '$', sizeof unterminated);
    ck_assert(!password_verify(pepper, "x", 1, unterminated));
}
END_TEST

START_TEST(costs)
{
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(password_hash(pepper, "x", 1, 3, hash), -1);
    ck_assert_int_eq(password_hash(pepper, "x", 1, 32, hash), -1);
    ck_assert_int_eq(password_hash(pepper, "x", 1, 0, hash), -1);
    ck_assert_int_eq(password_hash(pepper, "x", 1, -1, hash), -1);
    ck_assert_int_eq(password_hash(pepper, "x", 1, 10, hash), 0);
    ck_assert_int_eq(strncmp(hash, "$2b$10$", 7), 0);
}
END_TEST

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t time_of(const char *hash, bool expected)
{
    int64_t start = cpu_us();

    ck_assert(password_verify(pepper, "a password", 10, hash) == expected);
    return cpu_us() - start;
}

START_TEST(dummy)
{
    char hash[PASSWORD_HASH_SIZE];
    char none[PASSWORD_HASH_SIZE];
    char real[PASSWORD_HASH_SIZE];
    int64_t with = INT64_MAX;
    int64_t without = INT64_MAX;

    ck_assert_int_eq(password_dummy(9, none), 0);
    ck_assert_int_eq(strncmp(none, "$2b$09$", 7), 0);
    ck_assert_uint_eq(strlen(none), 60);
    ck_assert_int_eq(password_dummy(9, hash), 0);
    ck_assert_str_ne(hash, none);
    ck_assert_int_eq(password_hash(pepper, "a password", 10, 9, real), 0);
    /* The least of a few, taken in turn, so that a busy machine does not matter. */
    for (int i = 0; i < 16; i++) {
        with = MIN(with, time_of(real, true));
        without = MIN(without, time_of(none, false));
    }
    ck_assert_msg(without * 10 > with * 9 && without * 9 < with * 10, "%ld us and %ld us",
        (long)with, (long)without);
    ck_assert_int_eq(password_dummy(3, none), -1);
}
END_TEST

START_TEST(outdated)
{
    char hash[PASSWORD_HASH_SIZE];
    char other_path[PATH_MAX];
    struct pepper *other;

    snprintf(other_path, sizeof other_path, "%s.other", path);
    ck_assert_int_eq(rename(path, other_path), 0);
    write_pepper("fedcba9876543210fedcba9876543210", 32, 0600);
    other = pepper_read(path, error, sizeof error);
    ck_assert_msg(other != NULL, "%s", error);
    ck_assert_int_eq(rename(other_path, path), 0);

    ck_assert_int_eq(password_hash(pepper, "a password", 10, COST, hash), 0);
    ck_assert_int_eq(password_cost(hash), COST);
    ck_assert(!password_outdated(hash, pepper, pepper, COST));
    ck_assert(password_outdated(hash, pepper, pepper, COST + 1));
    ck_assert(password_outdated(hash, pepper, pepper, COST - 1));
    ck_assert(password_outdated(hash, pepper, other, COST));
    ck_assert_int_eq(password_cost(""), 0);
    ck_assert_int_eq(
        password_cost("$2y$12$abcdefghijklmnopqrstuua/vOjymZjuL7RUz6CVPMMMxvyWZ9q7e"), 0);
    ck_assert_int_eq(
        password_cost("$2b$12$abcdefghijklmnopqrstuua/vOjymZjuL7RUz6CVPMMMxvyWZ9q7e"), 12);
    pepper_free(other);
}
END_TEST

/* A refusal by an old, cheaper hash takes as long as one by a new hash. */
START_TEST(evened_out)
{
    char old[PASSWORD_HASH_SIZE];
    char new[PASSWORD_HASH_SIZE];
    int64_t by_old = INT64_MAX;
    int64_t by_new = INT64_MAX;

    ck_assert_int_eq(password_dummy(6, old), 0);
    ck_assert_int_eq(password_dummy(9, new), 0);
    for (int i = 0; i < 16; i++) {
        int64_t start = cpu_us();

        ck_assert(!password_verify(pepper, "a password", 10, old));
        password_even_out(pepper, old, 9);
        by_old = MIN(by_old, cpu_us() - start);
        start = cpu_us();
        ck_assert(!password_verify(pepper, "a password", 10, new));
        password_even_out(pepper, new, 9);
        by_new = MIN(by_new, cpu_us() - start);
    }
    ck_assert_msg(by_old * 10 > by_new * 9 && by_old * 9 < by_new * 10, "%ld us and %ld us",
        (long)by_old, (long)by_new);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("password");
    Suite *suite = suite_create("auth_password");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, known_hashes);
    tcase_add_test(tests, definition);
    tcase_add_test(tests, every_byte_counts);
    tcase_add_test(tests, another_pepper);
    tcase_add_test(tests, peppers_refused);
    tcase_add_test(tests, malformed_hashes);
    tcase_add_test(tests, costs);
    tcase_add_test(tests, dummy);
    tcase_add_test(tests, outdated);
    tcase_add_test(tests, evened_out);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
