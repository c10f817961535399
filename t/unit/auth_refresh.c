/*
 * auth_refresh.c: keys derived from a file and refresh tokens made with them, against values made
 * by another program from the definition; and everything that is not such a token.
 */
#include "auth/refresh.h"
#include "place.h"

#include <check.h>
#include <sys/stat.h>

#define LINE    "0123456789abcdef0123456789abcdef"
#define KEY_ID  "5d5ce5a8"
#define SESSION "019b0000-0000-7000-8000-000000000001"
#define TOKEN   "pr_AZsAAAAAcACAAAAAAAAAAQAAAAekUdNn3DnEmFdIiXFDUQ0IyeeTA9kXaL0En9A0hyInvw"
#define HASH    "15fd77625f3ff173310069a0b4f647738d97d9b5ffa84a8d69bdc43202758b2e"

static char path[64];
static char error[512];
static struct refresh_keys keys;

static void write_key(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fchmod(fileno(file), mode), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void)
{
    int fd;

    place(path, sizeof path, "pets-refresh");
    fd = mkstemp(path);
    ck_assert_int_ne(fd, -1);
    close(fd);
    write_key(LINE "\n", 0600);
    ck_assert_msg(server_key_read(path, REFRESH_PURPOSE, &keys.key[0], error, sizeof error) == 0,
        "%s", error);
    keys.count = 1;
}

static void teardown(void)
{
    unlink(path);
}

static void make(int32_t generation, struct refresh_token *token)
{
    struct uuid session;

    ck_assert(uuid_parse(SESSION, strlen(SESSION), &session));
    ck_assert_int_eq(refresh_make(&keys.key[0], &session, generation, token), 0);
}

START_TEST(known_values)
{
    struct refresh_token token;
    char hash[2 * REFRESH_HASH_SIZE + 1];

    ck_assert_str_eq(keys.key[0].id, KEY_ID);
    make(7, &token);
    ck_assert_str_eq(token.text, TOKEN);
    for (size_t i = 0; i < sizeof token.hash; i++)
        snprintf(hash + 2 * i, 3, "%02x", token.hash[i]);
    ck_assert_str_eq(hash, HASH);
}
END_TEST

START_TEST(there_and_back)
{
    static const int32_t generations[] = {0, 1, 255, 65536, INT32_MAX - 1};
    struct refresh_token made, parsed;
    bool genuine;

    for (size_t i = 0; i < countof(generations); i++) {
        make(generations[i], &made);
        ck_assert_uint_eq(strlen(made.text), REFRESH_LENGTH);
        ck_assert(refresh_parse(&keys, made.text, REFRESH_LENGTH, &parsed, &genuine));
        ck_assert(genuine);
        ck_assert_int_eq(parsed.generation, generations[i]);
        ck_assert_mem_eq(parsed.session.bytes, made.session.bytes, 16);
        ck_assert_mem_eq(parsed.hash, made.hash, sizeof made.hash);
    }
}
END_TEST

/* Whatever is changed, it is no token of ours, though it may have the form of one. */
START_TEST(changed)
{
    struct refresh_token made, parsed;
    char text[REFRESH_LENGTH + 2];
    bool genuine;

    make(3, &made);
    for (size_t i = 0; i < REFRESH_LENGTH; i++) {
        memcpy(text, made.text, sizeof made.text);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        genuine = false;
        if (refresh_parse(&keys, text, REFRESH_LENGTH, &parsed, &genuine))
            ck_assert_msg(!genuine, "character %zu", i);
        text[i] = '!';
        ck_assert(!refresh_parse(&keys, text, REFRESH_LENGTH, &parsed, &genuine));
    }
    ck_assert(!refresh_parse(&keys, made.text, REFRESH_LENGTH - 1, &parsed, &genuine));
    snprintf(text, sizeof text, "%sA", made.text);
    ck_assert(!refresh_parse(&keys, text, REFRESH_LENGTH + 1, &parsed, &genuine));
    ck_assert(!refresh_parse(&keys, "", 0, &parsed, &genuine));
}
END_TEST

START_TEST(another_key)
{
    struct refresh_token made, parsed;
    bool genuine;

    make(3, &made);
    write_key("another line of at least 32 bytes\n", 0600);
    ck_assert_int_eq(server_key_read(path, REFRESH_PURPOSE, &keys.key[0], error, sizeof error), -1);
    write_key("another_line_of_at_least_32_bytes\n", 0600);
    ck_assert_int_eq(server_key_read(path, REFRESH_PURPOSE, &keys.key[0], error, sizeof error), 0);
    ck_assert_str_ne(keys.key[0].id, KEY_ID);
    ck_assert(refresh_parse(&keys, made.text, REFRESH_LENGTH, &parsed, &genuine));
    ck_assert(!genuine);
}
END_TEST

/* --- several keys --- */

static char files[6][96];
static char configuration[96];

/* Six keys in files, and a configuration that names two of them. */
static void configure(int current, int previous)
{
    FILE *file;

    for (int i = 0; i < 6; i++) {
        snprintf(files[i], sizeof files[i], "%s.%d", path, i);
        file = fopen(files[i], "w");
        ck_assert(file != NULL);
        fprintf(file, "%d%s\n", i, LINE);
        ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
        ck_assert_int_eq(fclose(file), 0);
    }
    snprintf(configuration, sizeof configuration, "%s.ini", path);
    file = fopen(configuration, "w");
    ck_assert(file != NULL);
    fprintf(file, "[pool]\nname = ops\n[session]\nrefresh_key_file = %s\n", files[current]);
    if (previous >= 0)
        fprintf(file, "previous_refresh_key_file = %s\n", files[previous]);
    ck_assert_int_eq(fclose(file), 0);
}

static void forget_files(void)
{
    for (int i = 0; i < 6; i++)
        unlink(files[i]);
    unlink(configuration);
}

/* The configuration of a worker that was started with it as it was then. */
static struct config *configured(void)
{
    struct config *config = config_read(configuration, error, sizeof error);

    ck_assert_msg(config != NULL, "%s", error);
    return config;
}

static const char *id_of(int number)
{
    static struct server_key one;

    ck_assert_int_eq(server_key_read(files[number], REFRESH_PURPOSE, &one, error, sizeof error), 0);
    return one.id;
}

static void knows(const struct config *config, int result, size_t count, const int *numbers)
{
    if (result != -2)
        ck_assert_int_eq(refresh_keys_learn(&keys, config, error, sizeof error), result);
    ck_assert_uint_eq(keys.count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(keys.key[i].id, id_of(numbers[i]));
}

START_TEST(several_keys)
{
    struct config *config;
    struct refresh_token made, parsed;
    bool genuine;

    configure(1, 0);
    config = configured();
    ck_assert_int_eq(refresh_keys_read(&keys, config, error, sizeof error), 0);
    knows(config, -2, 2, (int[]){1, 0});
    make(3, &made);
    keys.key[0] = keys.key[1];
    make(3, &parsed);
    ck_assert_str_ne(made.text, parsed.text);
    ck_assert_int_eq(refresh_keys_read(&keys, config, error, sizeof error), 0);
    for (int i = 0; i < 2; i++) {
        struct refresh_token *token = i == 0 ? &made : &parsed;
        char text[REFRESH_LENGTH + 1];

        memcpy(text, token->text, sizeof text);
        ck_assert(refresh_parse(&keys, text, REFRESH_LENGTH, token, &genuine));
        ck_assert_msg(genuine, "of key %d", i);
    }
    configure(1, -1);
    config_free(config);
    config = configured();
    ck_assert_int_eq(refresh_keys_read(&keys, config, error, sizeof error), 0);
    knows(config, -2, 1, (int[]){1});
    ck_assert(refresh_parse(&keys, parsed.text, REFRESH_LENGTH, &made, &genuine));
    ck_assert(!genuine);
    unlink(files[1]);
    ck_assert_int_eq(refresh_keys_read(&keys, config, error, sizeof error), -1);
    ck_assert(strstr(error, files[1]) != NULL);
    config_free(config);
    forget_files();
}
END_TEST

/* What a worker learns from the configuration as others have it by then; its own key stays. */
START_TEST(learning)
{
    struct config *config;

    configure(0, -1);
    config = configured();
    ck_assert_int_eq(refresh_keys_read(&keys, config, error, sizeof error), 0);
    knows(config, 0, 1, (int[]){0});
    configure(1, 0);
    knows(config, 1, 2, (int[]){0, 1});
    knows(config, 0, 2, (int[]){0, 1});
    configure(3, 2);
    knows(config, 1, 4, (int[]){0, 2, 3, 1});
    configure(5, 4);
    knows(config, 1, 4, (int[]){0, 4, 5, 2});
    unlink(files[4]);
    ck_assert_int_eq(refresh_keys_learn(&keys, config, error, sizeof error), -1);
    ck_assert(strstr(error, files[4]) != NULL);
    unlink(configuration);
    ck_assert_int_eq(refresh_keys_learn(&keys, config, error, sizeof error), -1);
    ck_assert(strstr(error, configuration) != NULL);
    ck_assert_uint_eq(keys.count, 4);
    config_free(config);
    forget_files();
}
END_TEST

/* Each purpose has a key of its own; the id is that of the file. */
START_TEST(another_purpose)
{
    struct server_key other;

    ck_assert_int_eq(server_key_read(path, "another purpose", &other, error, sizeof error), 0);
    ck_assert_str_eq(other.id, keys.key[0].id);
    ck_assert_mem_ne(other.bytes, keys.key[0].bytes, sizeof other.bytes);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } rows[] = {
        {"0123456789abcdef0123456789abcde\n", 0600, "too short"},
        {"", 0600, "empty"},
        {"0123456789abcdef0123456789abcdef\nmore\n", 0600, "printable"},
        {"0123456789abcdef 0123456789abcdef\n", 0600, "printable"},
        {LINE "\n", 0640, "others"},
    };
    char longest[300];

    for (size_t i = 0; i < countof(rows); i++) {
        write_key(rows[i].text, rows[i].mode);
        ck_assert_int_eq(server_key_read(path, "p", &keys.key[0], error, sizeof error), -1);
        ck_assert_msg(strstr(error, rows[i].says) != NULL, "%s", error);
        ck_assert(strstr(error, path) != NULL);
        ck_assert(strstr(error, "abcdef") == NULL);
    }
    memset(longest, 'x', sizeof longest);
    longest[257] = '\0';
    write_key(longest, 0600);
    ck_assert_int_eq(server_key_read(path, "p", &keys.key[0], error, sizeof error), -1);
    ck_assert(strstr(error, "too long") != NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refresh");
    TCase *tests = tcase_create("refresh");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, known_values);
    tcase_add_test(tests, there_and_back);
    tcase_add_test(tests, changed);
    tcase_add_test(tests, another_key);
    tcase_add_test(tests, several_keys);
    tcase_add_test(tests, learning);
    tcase_add_test(tests, another_purpose);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
