/*
 * auth_rules.c: what a new password must be: its length to the character and to the byte, what is
 * common in whatever disguise, what is breached, what names its owner. Every rule that is broken is
 * told, and the password never.
 */
#include "auth/password_rules.h"
#include "base/log.h"
#include "place.h"

#include <check.h>
#include <sys/stat.h>

static char directory[PATH_MAX];
static char common[PATH_MAX + 16];
static char breached[PATH_MAX + 16];
static char error[512];
static struct config config;
static struct password_rules *rules;
static struct arena *arena;
static const struct password_owner nobody;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static void setup(void)
{
    place(directory, sizeof directory, "pets-rules");
    ck_assert(mkdtemp(directory) != NULL);
    snprintf(common, sizeof common, "%s/common", directory);
    snprintf(breached, sizeof breached, "%s/breached", directory);
    write_file(common, "12345678\nand a common one\nbadger\nmonkey\npassword\n");
    /* SHA-1 of "a breached password". */
    write_file(breached, "0000000000000000000000000000000000000000:1\r\n"
                         "0E8659A4A24AF245D7F9CCB25AB6C7F9CC66632B:7\r\n"
                         "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:1\r\n");
    config.password.common_list_file = common;
    config.password.breached_list_file = breached;
    rules = password_rules_new(&config, error, sizeof error);
    ck_assert_msg(rules != NULL, "%s", error);
    arena = arena_new(4096);
}

static void teardown(void)
{
    arena_free(arena);
    password_rules_free(rules);
    unlink(common);
    unlink(breached);
    rmdir(directory);
}

/* The codes of all violations, each followed by a blank. */
static const char *codes_of(
    const char *password, size_t length, int minimum, const struct password_owner *owner)
{
    const struct text text = {password, length};
    struct violations violations = {.arena = arena};
    static char codes[256];
    size_t at = 0;
    enum err err = password_rules_check(rules, &text, minimum, owner, "/password", &violations);

    ck_assert_int_eq(err, violations.count > 0 ? ERR_VALIDATION_FAILED : ERR_NONE);
    codes[0] = '\0';
    for (size_t i = 0; i < violations.count; i++) {
        at += (size_t)snprintf(codes + at, sizeof codes - at, "%s ", violations.list[i].code);
        ck_assert_str_eq(violations.list[i].pointer, "/password");
        ck_assert(length == 0 || strstr(violations.list[i].detail, password) == NULL);
    }
    return codes;
}

static const char *codes(const char *password)
{
    return codes_of(password, strlen(password), PASSWORD_MIN, &nobody);
}

#define DOG  "\xf0\x9f\x90\x95" /* four bytes */
#define BARE "e\xcc\x81"        /* e and a combining acute accent: two characters */

START_TEST(lengths)
{
    static char long_one[PASSWORD_MAX + 2];

    ck_assert_str_eq(codes(""), "too_short ");
    ck_assert_str_eq(codes("abcdefgh654321"), "too_short ");
    ck_assert_str_eq(codes("abcdefgh6543210"), "");
    ck_assert_str_eq(codes("abcdefgh12345" DOG), "too_short ");
    ck_assert_str_eq(codes("abcdefgh123456" DOG), "");
    ck_assert_str_eq(codes("abcdefgh1234" BARE), "too_short ");
    ck_assert_str_eq(codes("abcdefgh12345" BARE), "");
    ck_assert_str_eq(codes_of("abcdefgh\0\0 34567", 15, PASSWORD_MIN, &nobody), "");
    ck_assert_str_eq(codes_of("abcdefgh\0\0 3456", 14, PASSWORD_MIN, &nobody), "too_short ");
    ck_assert_str_eq(codes_of("abcdefgh654", 11, PASSWORD_MIN_MFA, &nobody), "too_short ");
    ck_assert_str_eq(codes_of("abcdefgh6543", 12, PASSWORD_MIN_MFA, &nobody), "");

    for (size_t i = 0; i < sizeof long_one - 1; i++)
        long_one[i] = (char)('!' + (i * i / 7) % 90);
    ck_assert_str_eq(codes_of(long_one, PASSWORD_MAX, PASSWORD_MIN, &nobody), "");
    ck_assert_str_eq(codes_of(long_one, PASSWORD_MAX + 1, PASSWORD_MIN, &nobody), "too_long ");
}
END_TEST

START_TEST(common_ones)
{
    static const char *const refused[] = {
        "and a common one",
        "AND A Common One",
        "passwordpassword",         /* over and over */
        "PasswordPASSWORDpass",     /* cut short */
        "password12345678",         /* two of them */
        "badgermonkeybadgermonkey", /* both */
        "aaaaaaaaaaaaaaa",          /* of one character */
        "x7%x7%x7%x7%x7%x7%",       /* of few */
        DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG DOG,
        "2468ace2468ace2468ace",
    };
    static const char *const taken[] = {
        "and a common one.",
        " and a common one",
        "password password",
        "monkeybadgerbear",
        "badgermonkeybadgerpassword", /* three */
        "abcdefg8abcdefg8",           /* of eight */
        "\xc3\x84nd a common one",
    };

    for (size_t i = 0; i < countof(refused); i++)
        ck_assert_msg(strcmp(codes(refused[i]), "common_password ") == 0, "%s", refused[i]);
    for (size_t i = 0; i < countof(taken); i++)
        ck_assert_msg(codes(taken[i])[0] == '\0', "%s", taken[i]);
    /* With a NUL behind it, it is another one. */
    ck_assert_str_eq(codes_of("and a common one\0", 17, PASSWORD_MIN, &nobody), "");
}
END_TEST

START_TEST(breached_ones)
{
    ck_assert_str_eq(codes("a breached password"), "breached_password ");
    ck_assert_str_eq(codes("A breached password"), "");
    config.password.breached_list_file = "";
    password_rules_free(rules);
    rules = password_rules_new(&config, error, sizeof error);
    ck_assert_str_eq(codes("a breached password"), "");
}
END_TEST

static const char *codes_for(const char *password, const char *email, const char *name)
{
    const struct password_owner owner = {{email, strlen(email)}, {name, strlen(name)}};

    return codes_of(password, strlen(password), PASSWORD_MIN, &owner);
}

START_TEST(owners)
{
    static const struct {
        const char *password, *email, *name;
        bool refused;
    } rows[] = {
        {"so annabel@example.org", "annabel@example.org", "", true},
        {"so ANNABEL@Example.ORG", "annabel@example.org", "", true},
        {"this is annabel here", "AnnaBel@example.org", "", true},
        {"this is annabe here", "annabel@example.org", "", false},
        {"so ann@example.org it is", "ann@example.org", "", true},
        {"this is ann here it is", "ann@example.org", "", false},
        {"this is anna here it is", "anna@example.org", "", true},
        {"example.org is where", "anna@example.org", "", false},
        {"jos\xc3\xa9 likes his dog", "j@example.org", "Jos\xc3\x89", true},
        {"\xce\xb4\xce\xb7\xce\xbc\xce\xae\xcf\x84\xcf\x81\xce\xb7\xcf\x82 and his dog",
            "d@example.org", "\xce\x94\xce\x97\xce\x9c\xce\x89\xce\xa4\xce\xa1\xce\x97\xcf\x82",
            true},
        {"jos and his dogs, two", "j@example.org", "Jos", false},
        {"ann lee and her dogs", "al@example.org", "Ann Lee", true},
        {"annlee and her dogs", "al@example.org", "Ann Lee", false},
        {"\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e is three characters", "w@example.org",
            "\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e", false},
        {"an address without at", "address", "", true},
    };

    for (size_t i = 0; i < countof(rows); i++)
        ck_assert_msg(strcmp(codes_for(rows[i].password, rows[i].email, rows[i].name),
                          rows[i].refused ? "contains_identity " : "") == 0,
            "row %zu", i);
}
END_TEST

START_TEST(all_at_once)
{
    ck_assert_str_eq(codes_for("monkeybadger", "monkey@example.org", "Badger"),
        "too_short common_password contains_identity ");
}
END_TEST

/* No password is taken unchecked. */
START_TEST(lists_that_change_in_place)
{
    const struct text text = {"abcdefgh6543210", 15};
    struct violations violations = {.arena = arena};

    log_threshold(LEVEL_ERROR + 1);
    write_file(breached, "");
    ck_assert_int_eq(password_rules_check(rules, &text, PASSWORD_MIN, &nobody, "", &violations),
        ERR_UNAVAILABLE);
    ck_assert_uint_eq(violations.count, 0);
}
END_TEST

START_TEST(lists_that_are_not_there)
{
    config.password.breached_list_file = "/nowhere/list";
    ck_assert(password_rules_new(&config, error, sizeof error) == NULL);
    ck_assert_str_eq(error, "/nowhere/list: No such file or directory");
    config.password.common_list_file = "/nowhere/common";
    ck_assert(password_rules_new(&config, error, sizeof error) == NULL);
    ck_assert_str_eq(error, "/nowhere/common: No such file or directory");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rules");
    Suite *suite = suite_create("auth_rules");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lengths);
    tcase_add_test(tests, common_ones);
    tcase_add_test(tests, breached_ones);
    tcase_add_test(tests, owners);
    tcase_add_test(tests, all_at_once);
    tcase_add_test(tests, lists_that_change_in_place);
    tcase_add_test(tests, lists_that_are_not_there);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
