/*
 * auth_keys.c: which files are keys, which are refused and why, and the published forms of a key.
 */
#include "auth_fixture.h"
#include "auth/generate.h"

#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct fixture fixture;
static char error[512];

static void setup(void)
{
    fixture_open(&fixture);
    error[0] = '\0';
}

static void teardown(void)
{
    fixture_close(&fixture);
}

/* The key of the example in RFC 9449 (DPoP) section 4.1 and its thumbprint in section 6.1. */
START_TEST(known_thumbprint)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEl8tFrhx+34tV3hRICRDY9zCkDlpB\n"
                              "hF42UQUfWVAWBFv1UTiN/86T+jrjNtNOVy40lqMea3q/1MNWtTQJ28ZEMA==\n"
                              "-----END PUBLIC KEY-----\n";
    const char *problem;
    struct key *key = key_read_public(pem, strlen(pem), &problem);

    ck_assert_msg(key != NULL, "%s", problem);
    ck_assert_str_eq(key_x(key), "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs");
    ck_assert_str_eq(key_y(key), "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
    ck_assert_str_eq(key_id(key), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    key_free(key);
}
END_TEST

START_TEST(load)
{
    const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    struct keys *keys = keys_load(&fixture.config, error, sizeof error);
    const struct key *key;

    ck_assert_msg(keys != NULL, "%s", error);
    ck_assert_uint_eq(keys_count(keys), 2);
    ck_assert_int_lt(strcmp(key_id(keys_at(keys, 0)), key_id(keys_at(keys, 1))), 0);
    ck_assert_str_eq(key_id(keys_signing(keys)), fixture.kid);
    ck_assert_int_eq(utimensat(AT_FDCWD, fixture.public_file, times, 0), 0);
    ck_assert_int_eq(keys_signing_published(keys, &fixture.config), 1700000000);
    key = keys_find(keys, fixture.other);
    ck_assert(key != NULL);
    ck_assert_str_eq(key_id(key), fixture.other);
    ck_assert(keys_find(keys, "") == NULL);
    ck_assert(keys_find(keys, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I") == NULL);
    keys_free(keys);
}
END_TEST

START_TEST(jwks)
{
    struct keys *keys = keys_load(&fixture.config, error, sizeof error);
    char expected[1024];
    size_t length = 0;

    ck_assert_msg(keys != NULL, "%s", error);
    for (size_t i = 0; i < 2; i++) {
        const struct key *key = keys_at(keys, i);

        length += (size_t)snprintf(expected + length, sizeof expected - length,
            "%s{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\","
            "\"use\":\"sig\",\"alg\":\"ES256\"}%s",
            i == 0 ? "{\"keys\":[" : ",", key_x(key), key_y(key), key_id(key), i == 1 ? "]}" : "");
    }
    ck_assert_str_eq(keys_jwks(keys), expected);
    ck_assert(strstr(keys_jwks(keys), "\"d\"") == NULL);
    keys_free(keys);
}
END_TEST

/* Refused, with a line that says this. */
static void refused(const char *because)
{
    struct keys *keys = keys_load(&fixture.config, error, sizeof error);

    ck_assert_msg(keys == NULL, "accepted, but %s", because);
    ck_assert_msg(strstr(error, because) != NULL, "'%s' does not say '%s'", error, because);
    ck_assert(strchr(error, '\n') == NULL);
}

START_TEST(name_must_be_thumbprint)
{
    char wrong[200];

    snprintf(wrong, sizeof wrong, "%s/a.pub.pem", fixture.dir);
    ck_assert_int_eq(link(fixture.public_file, wrong), 0);
    refused("is not named after its key");
    ck_assert(strstr(error, fixture.kid) != NULL);
    unlink(wrong);

    /* Another's name. */
    snprintf(wrong, sizeof wrong, "%s/%s.pub.pem", fixture.dir, fixture.other);
    unlink(wrong);
    ck_assert_int_eq(link(fixture.public_file, wrong), 0);
    refused("is not named after its key");
}
END_TEST

START_TEST(directory)
{
    fixture.config.token.public_keys_dir = "";
    refused("token.public_keys_dir is not set");
    fixture.config.token.public_keys_dir = "/nonexistent/pets";
    refused("No such file");
    fixture.config.token.public_keys_dir = fixture.public_file;
    refused("Not a directory");
    fixture.config.token.public_keys_dir = fixture.dir;
    chmod(fixture.dir, 0777);
    refused("may be written by group or others");
    chmod(fixture.dir, 0770);
    refused("may be written by group or others");
    chmod(fixture.dir, 0755);
    chmod(fixture.public_file, 0666);
    refused("may be written by group or others");
    chmod(fixture.public_file, 0644);
    ck_assert_int_eq(unlink(fixture.public_file), 0);
    ck_assert_int_eq(mkdir(fixture.public_file, 0755), 0);
    refused("is not a regular file");
    rmdir(fixture.public_file);
    ck_assert_int_eq(mkfifo(fixture.public_file, 0644), 0);
    refused("is not a regular file");
}
END_TEST

START_TEST(no_keys)
{
    char empty[80];

    snprintf(empty, sizeof empty, "%s/empty", fixture.dir);
    ck_assert_int_eq(mkdir(empty, 0755), 0);
    fixture.config.token.public_keys_dir = empty;
    refused("holds no public key");
    rmdir(empty);
}
END_TEST

START_TEST(too_many)
{
    char kid[KEY_ID_LENGTH + 1];
    struct keys *keys;

    for (int i = 2; i < KEYS_MAX; i++)
        ck_assert_int_eq(generate_key(fixture.dir, fixture.dir, kid, error, sizeof error), 0);
    keys = keys_load(&fixture.config, error, sizeof error);
    ck_assert_msg(keys != NULL, "%s", error);
    ck_assert_uint_eq(keys_count(keys), KEYS_MAX);
    keys_free(keys);
    ck_assert_int_eq(generate_key(fixture.dir, fixture.dir, kid, error, sizeof error), 0);
    refused("holds more than 16 public keys");
}
END_TEST

START_TEST(not_a_p256_key)
{
    static const struct {
        const char *text;
        const char *because;
    } rows[] = {
        {"", "is not a public key"},
        {"hello\n", "is not a public key"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "is not a public key"},
        /* P-384 */
        {"-----BEGIN PUBLIC KEY-----\n"
         "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEe3B1b4/FJoZ+O7UJP+RBSIcNYDaPzEnN\n"
         "wvmDYJIB8j31d6IVdMeIG5eyg/sLVMjQJdRZMx4nmOTTA8cNtPjq3xtX4laWsZvh\n"
         "EtScmsUJ9+pzzDL/ljZN5BM+DDki65gN\n"
         "-----END PUBLIC KEY-----\n",
            "is not a key of the curve P-256"},
        /* Ed25519 */
        {"-----BEGIN PUBLIC KEY-----\n"
         "MCowBQYDK2VwAyEAO2h8bcHhpwGAzOs7rahMZh0of71xNFbC/MSKgSpjb5Y=\n"
         "-----END PUBLIC KEY-----\n",
            "is not a key of the curve P-256"},
        /* A point beside the curve. */
        {"-----BEGIN PUBLIC KEY-----\n"
         "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEl8tFrhx+34tV3hRICRDY9zCkDlpB\n"
         "hF42UQUfWVAWBFv1UTiN/86T+jrjNtNOVy40lqMea3q/1MNWtTQJ28ZEMQ==\n"
         "-----END PUBLIC KEY-----\n",
            "is not a public key"},
    };
    char *private = fixture_read(fixture.signing_file);

    for (size_t i = 0; i < countof(rows); i++) {
        fixture_write(fixture.public_file, rows[i].text, 0644);
        refused(rows[i].because);
    }
    fixture_write(fixture.public_file, private, 0644);
    refused("is not a public key");
    free(private);
}
END_TEST

START_TEST(signing_key)
{
    char *public = fixture_read(fixture.public_file);

    chmod(fixture.signing_file, 0644);
    refused(fixture.signing_file);
    chmod(fixture.signing_file, 0600);
    unlink(fixture.public_file);
    refused("is not in token.public_keys_dir");
    fixture_write(fixture.public_file, public, 0644);
    fixture_write(fixture.signing_file, public, 0600);
    refused("is not an unencrypted private key");
    fixture_write(fixture.signing_file,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjnk8aqvGqy3AICCAAw\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n",
        0600);
    refused("is not an unencrypted private key");
    fixture.config.token.signing_key_file = "/nonexistent/pets.pem";
    refused("/nonexistent/pets.pem");
    free(public);
}
END_TEST

static mode_t mode_of(const char *path)
{
    struct stat status;

    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_mode & 07777;
}

START_TEST(generated_files)
{
    char pepper[100];
    char *text;
    char *again;

    ck_assert_uint_eq(mode_of(fixture.signing_file), 0600);
    ck_assert_uint_eq(mode_of(fixture.public_file), 0644);
    snprintf(pepper, sizeof pepper, "%s/pepper", fixture.dir);
    ck_assert_int_eq(generate_secret(pepper, error, sizeof error), 0);
    ck_assert_uint_eq(mode_of(pepper), 0600);
    text = fixture_read(pepper);
    ck_assert_uint_eq(strlen(text), 44);
    ck_assert_int_eq(text[43], '\n');

    /* Never overwritten. */
    ck_assert_int_eq(generate_secret(pepper, error, sizeof error), -1);
    ck_assert(strstr(error, "File exists") != NULL);
    again = fixture_read(pepper);
    ck_assert_str_eq(text, again);
    free(again);
    free(text);

    ck_assert_int_eq(generate_secret("/nonexistent/pepper", error, sizeof error), -1);
    ck_assert_int_eq(generate_key("/nonexistent", "/nonexistent", pepper, error, sizeof error), -1);
    ck_assert(strstr(error, "No such file") != NULL);
}
END_TEST

START_TEST(renewed)
{
    struct keys *keys = keys_load(&fixture.config, error, sizeof error);
    char third[KEY_ID_LENGTH + 1];
    char path[PATH_MAX];
    int32_t version = keys_version(keys);

    ck_assert_int_gt(version, 0);
    ck_assert_int_eq(keys_renew(keys, &fixture.config, error, sizeof error), 0);
    ck_assert_int_eq(keys_version(keys), version);

    ck_assert_int_eq(generate_key(fixture.dir, fixture.dir, third, error, sizeof error), 0);
    ck_assert_int_eq(keys_renew(keys, &fixture.config, error, sizeof error), 1);
    ck_assert_uint_eq(keys_count(keys), 3);
    ck_assert_ptr_nonnull(keys_find(keys, third));
    ck_assert_ptr_nonnull(strstr(keys_jwks(keys), third));
    ck_assert_int_ne(keys_version(keys), version);
    ck_assert_str_eq(key_id(keys_signing(keys)), fixture.kid);

    /* What is wrong changes nothing: a key that others may write, and one's own that is missing. */
    snprintf(path, sizeof path, "%s/%s.pub.pem", fixture.dir, third);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(keys_renew(keys, &fixture.config, error, sizeof error), -1);
    ck_assert_uint_eq(keys_count(keys), 3);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(fixture.public_file), 0);
    ck_assert_int_eq(keys_renew(keys, &fixture.config, error, sizeof error), -1);
    ck_assert_uint_eq(keys_count(keys), 3);
    ck_assert_str_eq(key_id(keys_signing(keys)), fixture.kid);
    keys_free(keys);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("keys");
    Suite *suite = suite_create("auth_keys");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, known_thumbprint);
    tcase_add_test(tests, load);
    tcase_add_test(tests, jwks);
    tcase_add_test(tests, name_must_be_thumbprint);
    tcase_add_test(tests, directory);
    tcase_add_test(tests, no_keys);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, not_a_p256_key);
    tcase_add_test(tests, signing_key);
    tcase_add_test(tests, generated_files);
    tcase_add_test(tests, renewed);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
