/*
 * auth_blocklist.c: lists of a few lines and one of a terabyte; that the ends of a file are found
 * as well as its middle, in as few steps as it was doubled in size; what is refused when it is
 * opened; and files that change while they are mapped.
 */
#include "auth/blocklist.h"
#include "place.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

static char path[PATH_MAX];
static char error[PATH_MAX + 256];

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");

    ck_assert(file != NULL);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

static void setup(void)
{
    int fd;

    place(path, sizeof path, "pets-list");
    fd = mkstemp(path);
    ck_assert_int_ne(fd, -1);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

static struct blocklist *list_of(enum blocklist_kind kind, const char *text)
{
    struct blocklist *list;

    write_file(text, strlen(text));
    list = blocklist_open(path, kind, error, sizeof error);
    ck_assert_msg(list != NULL, "%s", error);
    return list;
}

static bool has(struct blocklist *list, const char *key)
{
    enum blocklist_answer answer = blocklist_find(list, key, strlen(key));

    ck_assert_int_ne(answer, BLOCKLIST_UNUSABLE);
    return answer == BLOCKLIST_PRESENT;
}

START_TEST(words)
{
    static const char *const files[] = {
        "alpha\nbeta\nbetas\ngamma\n",
        "alpha\nbeta\nbetas\ngamma",
        "alpha\r\nbeta\r\nbetas\r\ngamma\r\n",
        "alpha\r\nbeta\nbetas\r\ngamma",
    };
    static const char *const absent[] = {"", "a", "alph", "alphas", "bet", "betass", "gamm",
        "gammas", "zeta", "\n", "beta\n", "Beta"};

    for (size_t i = 0; i < countof(files); i++) {
        struct blocklist *list = list_of(BLOCKLIST_TEXT, files[i]);

        ck_assert(has(list, "alpha"));
        ck_assert(has(list, "beta"));
        ck_assert(has(list, "betas"));
        ck_assert(has(list, "gamma"));
        for (size_t j = 0; j < countof(absent); j++)
            ck_assert_msg(!has(list, absent[j]), "file %zu: %s", i, absent[j]);
        ck_assert_int_eq(blocklist_find(list, "beta\0", 5), BLOCKLIST_ABSENT);
        blocklist_free(list);
    }
}
END_TEST

START_TEST(one_line)
{
    static const char *const files[] = {"alone\n", "alone", "alone\r\n", "alone\r"};

    for (size_t i = 0; i < countof(files); i++) {
        struct blocklist *list = list_of(BLOCKLIST_TEXT, files[i]);

        ck_assert(has(list, "alone"));
        ck_assert(!has(list, "aloha"));
        ck_assert(!has(list, "zebra"));
        blocklist_free(list);
    }
}
END_TEST

#define HASH(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

START_TEST(hashes)
{
    static const char *const files[] = {
        HASH("0") ":3\r\n" HASH("5") ":1234567890\r\n" HASH("F") ":1\r\n",
        HASH("0") "\n" HASH("5") ":anything\n" HASH("f"),
    };

    for (size_t i = 0; i < countof(files); i++) {
        struct blocklist *list = list_of(BLOCKLIST_SHA1, files[i]);

        ck_assert(has(list, HASH("0")));
        ck_assert(has(list, HASH("5")));
        ck_assert(has(list, HASH("f")));
        ck_assert(has(list, HASH("F")));
        ck_assert(!has(list, HASH("4")));
        ck_assert(!has(list, HASH("6")));
        blocklist_free(list);
    }
}
END_TEST

START_TEST(refused)
{
    static char huge[BLOCKLIST_LINE_MAX + 4];
    const struct {
        enum blocklist_kind kind;
        const char *text, *why;
    } rows[] = {
        {BLOCKLIST_TEXT, "", "is empty"},
        {BLOCKLIST_TEXT, "beta\nalpha\n", "byte 5: is not in order"},
        {BLOCKLIST_TEXT, "alpha\nbeta\nalpha\n", "byte 11: is not in order"},
        {BLOCKLIST_TEXT, "alpha\n\nbeta\n", "byte 6: is an empty line"},
        {BLOCKLIST_TEXT, "alpha\nBeta\n", "byte 6: is an empty line, or one with upper-case"},
        {BLOCKLIST_TEXT, huge, "byte 0: the line is longer than 1024 bytes"},
        {BLOCKLIST_SHA1, "alpha\n", "byte 0: is not a line of 40 hex digits"},
        {BLOCKLIST_SHA1, HASH("1") "1:1\n", "byte 0: is not a line of 40 hex digits"},
        {BLOCKLIST_SHA1, HASH("1") ":1\n" HASH("0") ":1\n", "byte 43: is not in order"},
        {BLOCKLIST_SHA1, HASH("0") ":1\n\n", "byte 43: is not a line of 40 hex digits"},
    };

    memset(huge, 'x', sizeof huge - 1);
    for (size_t i = 0; i < countof(rows); i++) {
        write_file(rows[i].text, strlen(rows[i].text));
        ck_assert(blocklist_open(path, rows[i].kind, error, sizeof error) == NULL);
        ck_assert_msg(strstr(error, rows[i].why) != NULL, "row %zu: %s", i, error);
        ck_assert_msg(strncmp(error, path, strlen(path)) == 0, "row %zu: %s", i, error);
    }
    huge[BLOCKLIST_LINE_MAX] = '\0';
    blocklist_free(list_of(BLOCKLIST_TEXT, huge));
}
END_TEST

START_TEST(refused_files)
{
    ck_assert(blocklist_open("/tmp", BLOCKLIST_TEXT, error, sizeof error) == NULL);
    ck_assert_str_eq(error, "/tmp: is not a regular file");
    ck_assert(blocklist_open("/nowhere/list", BLOCKLIST_TEXT, error, sizeof error) == NULL);
    ck_assert_str_eq(error, "/nowhere/list: No such file or directory");
    write_file("alpha\n", 6);
    ck_assert_int_eq(chmod(path, 0664), 0);
    ck_assert(blocklist_open(path, BLOCKLIST_TEXT, error, sizeof error) == NULL);
    ck_assert(strstr(error, "group or others") != NULL);
}
END_TEST

/* Every entry of lists of each size is found, what stands between them is not, and the number of
 * lines that a search looks at is bounded by how often the file can be halved. */
START_TEST(as_few_lines_as_doublings)
{
    for (unsigned count = 1; count <= 20000; count = count * 3 + 1) {
        FILE *file = fopen(path, "w");
        struct blocklist *list;
        unsigned doublings = 0;
        struct stat status;

        ck_assert(file != NULL);
        for (unsigned i = 0; i < count; i++)
            fprintf(file, "%08x%.*s\n", 2 * i + 1, (int)(i % 41), HASH("x"));
        fclose(file);
        ck_assert_int_eq(chmod(path, 0644), 0);
        ck_assert_int_eq(stat(path, &status), 0);
        while ((INT64_C(1) << doublings) < status.st_size)
            doublings++;
        list = blocklist_open(path, BLOCKLIST_TEXT, error, sizeof error);
        ck_assert_msg(list != NULL, "%s", error);
        for (unsigned i = 0; i <= count; i++) {
            uint64_t before = blocklist_lines_seen(list);
            char key[64];

            snprintf(key, sizeof key, "%08x", 2 * i);
            ck_assert(!has(list, key));
            ck_assert_uint_le(blocklist_lines_seen(list) - before, doublings + 1);
            if (i == count)
                break;
            snprintf(key, sizeof key, "%08x%.*s", 2 * i + 1, (int)(i % 41), HASH("x"));
            ck_assert_msg(has(list, key), "%s of %u", key, count);
        }
        blocklist_free(list);
    }
}
END_TEST

/* A file that looks large and takes little room: lines at both ends, and a hole that nobody may
 * read through from one end to the other. */
START_TEST(far_too_large_to_read)
{
    static const char first[] = HASH("0") ":1\n";
    static const char last[] = "\n" HASH("F") ":1\n";
    const off_t size = (off_t)1 << 40;
    int64_t from = base_now_us();
    int fd;

    write_file(first, sizeof first - 1);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ne(fd, -1);
    if (pwrite(fd, last, sizeof last - 1, size) == -1) { /* a file system with less */
        close(fd);
        return;
    }
    close(fd);
    ck_assert(blocklist_open(path, BLOCKLIST_SHA1, error, sizeof error) == NULL);
    ck_assert(strstr(error, "longer than 1024 bytes") != NULL);
    ck_assert_int_lt(base_now_us() - from, 10000000);
}
END_TEST

START_TEST(changed_in_place)
{
    struct blocklist *list = list_of(BLOCKLIST_TEXT, "alpha\nbeta\n");

    ck_assert(has(list, "beta"));
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_int_eq(blocklist_find(list, "beta", 4), BLOCKLIST_UNUSABLE);
    write_file("gamma\n", 6);
    ck_assert_int_eq(blocklist_find(list, "gamma", 5), BLOCKLIST_UNUSABLE);
    blocklist_free(list);
}
END_TEST

START_TEST(replaced_by_rename)
{
    struct blocklist *list = list_of(BLOCKLIST_TEXT, "alpha\nbeta\n");
    char other[PATH_MAX + 8];

    snprintf(other, sizeof other, "%s.old", path);
    ck_assert_int_eq(rename(path, other), 0);
    write_file("gamma\n", 6);
    ck_assert_int_eq(unlink(other), 0);
    ck_assert(has(list, "beta"));
    ck_assert(!has(list, "gamma"));
    blocklist_free(list);
    list = blocklist_open(path, BLOCKLIST_TEXT, error, sizeof error);
    ck_assert(list != NULL);
    ck_assert(has(list, "gamma"));
    blocklist_free(list);
}
END_TEST

/* A large file is checked in places only; a search that comes to another place says so. */
START_TEST(malformed_where_nobody_looked)
{
    FILE *file = fopen(path, "w");
    struct blocklist *list;
    char key[64];

    ck_assert(file != NULL);
    for (unsigned i = 0; i < 500000; i++)
        fprintf(file, "%08X%s%s\n", i, "00000000000000000000000000000000", i == 77777 ? "?" : ":1");
    fclose(file);
    ck_assert_int_eq(chmod(path, 0644), 0);
    list = blocklist_open(path, BLOCKLIST_SHA1, error, sizeof error);
    ck_assert_msg(list != NULL, "%s", error);
    snprintf(key, sizeof key, "%08X%s", 77777U, "00000000000000000000000000000000");
    ck_assert_int_eq(blocklist_find(list, key, 40), BLOCKLIST_UNUSABLE);
    snprintf(key, sizeof key, "%08X%s", 499999U, "00000000000000000000000000000000");
    ck_assert(has(list, key));
    blocklist_free(list);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("blocklist");
    Suite *suite = suite_create("auth_blocklist");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, words);
    tcase_add_test(tests, one_line);
    tcase_add_test(tests, hashes);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, refused_files);
    tcase_add_test(tests, as_few_lines_as_doublings);
    tcase_add_test(tests, far_too_large_to_read);
    tcase_add_test(tests, changed_in_place);
    tcase_add_test(tests, replaced_by_rename);
    tcase_add_test(tests, malformed_where_nobody_looked);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
