/*
 * base_secret.c: who may read a secret, and that nothing else passes for one.
 */
#include "base/secret.h"
#include "place.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

static char directory[64], path[128], error[256];

static void set_up(void)
{
    place(directory, sizeof directory, "base_secret");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/secret", directory);
    unsetenv("CREDENTIALS_DIRECTORY");
    error[0] = '\0';
}

static void tear_down(void)
{
    unlink(path);
    rmdir(path);
    rmdir(directory);
}

static void write_secret(const char *bytes, size_t length, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static void refused(const char *name, const char *why)
{
    size_t length;

    ck_assert_ptr_null(secret_read(name, &length, error, sizeof error));
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    ck_assert_ptr_null(strstr(error, "hunter2"));
}

START_TEST(reads)
{
    size_t length = 0;
    char *secret;

    write_secret("hunter2\n\0x", 10, 0600);
    secret = secret_read(path, &length, error, sizeof error);
    ck_assert_msg(secret != NULL, "%s", error);
    ck_assert_uint_eq(length, 10);
    ck_assert_mem_eq(secret, "hunter2\n\0x", 11);
    secret_free(secret, length);
    write_secret("hunter2", 7, 0400);
    secret = secret_read(path, &length, error, sizeof error);
    ck_assert_msg(secret != NULL, "%s", error);
    secret_free(secret, length);
    secret_free(NULL, 7);
}
END_TEST

START_TEST(lines)
{
    char *secret;

    write_secret("hunter2\r\n\n", 10, 0600);
    secret = secret_read_line(path, error, sizeof error);
    ck_assert_str_eq(secret, "hunter2");
    secret_free(secret, strlen(secret));
    write_secret(" hun ter2 ", 10, 0600);
    secret = secret_read_line(path, error, sizeof error);
    ck_assert_str_eq(secret, " hun ter2 ");
    secret_free(secret, strlen(secret));
    write_secret("\n\n", 2, 0600);
    ck_assert_ptr_null(secret_read_line(path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "is empty"));
    write_secret("hunter2\0x", 9, 0600);
    ck_assert_ptr_null(secret_read_line(path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "NUL"));
}
END_TEST

/* Every mode that lets anybody else in. */
START_TEST(modes)
{
    size_t length;

    for (mode_t mode = 0; mode <= 0777; mode++) {
        char *secret;

        if ((mode & 0400) == 0)
            continue;
        write_secret("hunter2", 7, 0600);
        ck_assert_int_eq(chmod(path, mode), 0);
        secret = secret_read(path, &length, error, sizeof error);
        ck_assert_msg((secret != NULL) == ((mode & 077) == 0), "%04o", (unsigned)mode);
        secret_free(secret, length);
        unlink(path);
    }
}
END_TEST

START_TEST(odd_files)
{
    static char large[65537];
    char *secret;
    size_t length;

    refused(path, "No such file");
    refused("", "no file is configured");
    refused("/dev/zero", "not a regular file");
    refused(directory, "not a regular file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    refused(path, "not a regular file");
    unlink(path);
    write_secret("", 0, 0600);
    refused(path, "is empty");
    memset(large, 'x', sizeof large);
    write_secret(large, 65537, 0600);
    refused(path, "larger than 64 KiB");
    write_secret(large, 65536, 0600);
    secret = secret_read(path, &length, error, sizeof error);
    ck_assert_uint_eq(length, 65536);
    secret_free(secret, length);
}
END_TEST

/* systemd.exec(5): relative paths, and modes that are systemd's own business. */
START_TEST(credentials)
{
    char *secret;
    size_t length;
    char below[160];

    write_secret("hunter2", 7, 0440);
    refused("secret", "CREDENTIALS_DIRECTORY, which is not set");
    refused(path, "0600 or 0400");
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    secret = secret_read("secret", &length, error, sizeof error);
    ck_assert_msg(secret != NULL, "%s", error);
    secret_free(secret, length);
    secret = secret_read(path, &length, error, sizeof error);
    ck_assert_msg(secret != NULL, "%s", error);
    secret_free(secret, length);
    refused("../secret", "may not lead out");
    refused("x/../../secret", "may not lead out");
    snprintf(below, sizeof below, "%s/..%s/secret", directory, strrchr(directory, '/'));
    refused(below, "0600 or 0400");
    snprintf(below, sizeof below, "%.*s", (int)strlen(directory) - 1, directory);
    setenv("CREDENTIALS_DIRECTORY", below, 1);
    refused(path, "0600 or 0400");
    setenv("CREDENTIALS_DIRECTORY", "relative", 1);
    refused("secret", "which is not set");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("secret");
    Suite *suite = suite_create("base_secret");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, reads);
    tcase_add_test(tests, lines);
    tcase_add_test(tests, modes);
    tcase_add_test(tests, odd_files);
    tcase_add_test(tests, credentials);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
