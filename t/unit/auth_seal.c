/*
 * auth_seal.c: what is kept of second factors: sealed secrets, which open with their key and for
 * their account and in no other way, and hashes of recovery codes.
 */
#include <openssl/evp.h>

#include "auth/recovery.h"
#include "auth/seal.h"
#include "place.h"

#include <check.h>
#include <sys/stat.h>

enum { SIZE = 20, SEALED = SIZE + SEAL_OVERHEAD };

static const uint8_t secret[SIZE + 1] = "12345678901234567890";
static const struct uuid ann = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static struct server_key key_of(const char *text, const char *id)
{
    struct server_key key;

    EVP_Digest(text, strlen(text), key.bytes, NULL, EVP_sha256(), NULL);
    snprintf(key.id, sizeof key.id, "%s", id);
    return key;
}

static struct seal *make(const char *text, const char *id, const char *old, const char *old_id)
{
    struct server_key current = key_of(text, id);
    struct server_key previous = key_of(old == NULL ? "" : old, old == NULL ? "" : old_id);

    return seal_new(&current, old == NULL ? NULL : &previous);
}

static enum seal_result open_with(
    const struct seal *seal, const struct uuid *account, const char *id, const uint8_t *sealed)
{
    uint8_t opened[SIZE];
    enum seal_result result =
        seal_open(seal, account, id, strlen(id), sealed, SEALED, opened, SIZE);

    if (result == SEAL_OPENED)
        ck_assert_mem_eq(opened, secret, SIZE);
    return result;
}

START_TEST(closes_and_opens)
{
    struct seal *seal = make("line", "k1", NULL, NULL);
    uint8_t sealed[SEALED];
    uint8_t again[SEALED];

    ck_assert_str_eq(seal_key_id(seal), "k1");
    ck_assert_int_eq(seal_close(seal, &ann, secret, SIZE, sealed), 0);
    ck_assert_int_eq(open_with(seal, &ann, "k1", sealed), SEAL_OPENED);
    ck_assert_ptr_null(memmem(sealed, SEALED, secret, 4));
    ck_assert_int_eq(seal_close(seal, &ann, secret, SIZE, again), 0);
    ck_assert_mem_ne(sealed, again, SEALED);
    seal_free(seal);
}
END_TEST

/* The same from the library directly: nonce, text, tag; key id and account are authenticated. */
START_TEST(definition)
{
    struct seal *seal = make("line", "k1", NULL, NULL);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    struct server_key key = key_of("line", "k1");
    uint8_t sealed[SEALED];
    uint8_t text[SIZE];
    int length;

    ck_assert_int_eq(seal_close(seal, &ann, secret, SIZE, sealed), 0);
    EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key.bytes, sealed);
    EVP_DecryptUpdate(cipher, NULL, &length, (const uint8_t *)"k1", 2);
    EVP_DecryptUpdate(cipher, NULL, &length, ann.bytes, 16);
    EVP_DecryptUpdate(cipher, text, &length, sealed + 12, SIZE);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, sealed + 12 + SIZE);
    ck_assert_int_eq(EVP_DecryptFinal_ex(cipher, text + length, &length), 1);
    ck_assert_mem_eq(text, secret, SIZE);
    EVP_CIPHER_CTX_free(cipher);
    seal_free(seal);
}
END_TEST

START_TEST(every_bit_counts)
{
    struct seal *seal = make("line", "k1", "older", "k0");
    uint8_t sealed[SEALED];
    uint8_t opened[SIZE];
    struct uuid other;

    ck_assert_int_eq(seal_close(seal, &ann, secret, SIZE, sealed), 0);
    for (size_t bit = 0; bit < SEALED * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(open_with(seal, &ann, "k1", sealed), SEAL_BROKEN);
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 128; bit++) {
        other = ann;
        other.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(open_with(seal, &other, "k1", sealed), SEAL_BROKEN);
    }
    ck_assert_int_eq(open_with(seal, &ann, "k0", sealed), SEAL_BROKEN);
    ck_assert_int_eq(open_with(seal, &ann, "k1", sealed), SEAL_OPENED);

    /* Nothing of a text that is not authentic is given away. */
    sealed[SEALED - 1] ^= 1;
    memset(opened, 'x', sizeof opened);
    ck_assert_int_eq(seal_open(seal, &ann, "k1", 2, sealed, SEALED, opened, SIZE), SEAL_BROKEN);
    ck_assert_ptr_null(memmem(opened, SIZE, secret, 4));
    sealed[SEALED - 1] ^= 1;
    for (size_t length = 0; length < SEALED; length++)
        ck_assert_int_eq(seal_open(seal, &ann, "k1", 2, sealed, length, opened, SIZE), SEAL_BROKEN);
    ck_assert_int_eq(seal_open(seal, &ann, "k1", 2, sealed, SEALED, opened, SIZE - 1), SEAL_BROKEN);
    seal_free(seal);
}
END_TEST

START_TEST(keys)
{
    static const char *const unknown[] = {"", "k", "k11", "k9", "K1"};
    struct seal *old = make("older", "k0", NULL, NULL);
    struct seal *both = make("line", "k1", "older", "k0");
    struct seal *new = make("line", "k1", NULL, NULL);
    /* Another key under the same name. */
    struct seal *false_one = make("wrong", "k0", NULL, NULL);
    uint8_t sealed[SEALED];

    ck_assert_int_eq(seal_close(old, &ann, secret, SIZE, sealed), 0);
    ck_assert_int_eq(open_with(both, &ann, "k0", sealed), SEAL_OPENED);
    ck_assert_int_eq(open_with(new, &ann, "k0", sealed), SEAL_UNKNOWN_KEY);
    ck_assert_int_eq(open_with(false_one, &ann, "k0", sealed), SEAL_BROKEN);
    for (size_t i = 0; i < countof(unknown); i++)
        ck_assert_int_eq(open_with(new, &ann, unknown[i], sealed), SEAL_UNKNOWN_KEY);
    ck_assert_int_eq(seal_close(both, &ann, secret, SIZE, sealed), 0);
    ck_assert_int_eq(open_with(new, &ann, "k1", sealed), SEAL_OPENED);
    ck_assert_int_eq(open_with(old, &ann, "k1", sealed), SEAL_UNKNOWN_KEY);
    seal_free(old);
    seal_free(both);
    seal_free(new);
    seal_free(false_one);
    seal_free(NULL);
}
END_TEST

static void write_line(const char *path, const char *line)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "%s\n", line);
    fclose(file);
    chmod(path, 0600);
}

START_TEST(files)
{
    char dir[64], one[80], two[80], error[256] = "";
    uint8_t sealed[SEALED];
    struct seal *before;
    struct seal *after;
    struct seal *other;

    place(dir, sizeof dir, "pets-seal");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(one, sizeof one, "%s/one", dir);
    snprintf(two, sizeof two, "%s/two", dir);
    write_line(one, "0123456789abcdef0123456789abcdef");
    write_line(two, "0123456789abcdef0123456789abcdeF");
    before = seal_read(one, "", "test", error, sizeof error);
    after = seal_read(two, one, "test", error, sizeof error);
    other = seal_read(one, "", "another purpose", error, sizeof error);
    ck_assert_msg(before != NULL && after != NULL && other != NULL, "%s", error);
    ck_assert_int_eq(seal_close(before, &ann, secret, SIZE, sealed), 0);
    ck_assert_str_ne(seal_key_id(before), seal_key_id(after));
    ck_assert_int_eq(open_with(after, &ann, seal_key_id(before), sealed), SEAL_OPENED);
    ck_assert_int_eq(open_with(other, &ann, seal_key_id(before), sealed), SEAL_BROKEN);
    unlink(one);
    ck_assert_ptr_null(seal_read(two, one, "test", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, one));
    ck_assert_ptr_null(seal_read(one, "", "test", error, sizeof error));
    unlink(two);
    rmdir(dir);
    seal_free(before);
    seal_free(after);
    seal_free(other);
}
END_TEST

/* --- recovery codes --- */

START_TEST(recovery_codes)
{
    int seen[128] = {0};
    char codes[400][RECOVERY_CODE_LENGTH + 1];
    size_t characters = 0;

    for (size_t i = 0; i < countof(codes); i++) {
        recovery_code(codes[i]);
        ck_assert_uint_eq(strlen(codes[i]), RECOVERY_CODE_LENGTH);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(codes[i], codes[j]);
        for (size_t j = 0; codes[i][j] != '\0'; j++) {
            ck_assert_int_eq(codes[i][j] == '-', j % 6 == 5);
            characters += seen[(uint8_t)codes[i][j]]++ == 0;
        }
    }
    ck_assert_uint_eq(characters, 32 + 1);
    for (const char *at = "01lo"; *at != '\0'; at++)
        ck_assert_int_eq(seen[(uint8_t)*at], 0);
}
END_TEST

START_TEST(recovery_hashes)
{
    static const char *const same[] = {"abcde-fghij-kmnpq-23456", "ABCDE-FGHIJ-KMNPQ-23456",
        "abcdefghijkmnpq23456", " abcde fghij kmnpq 23456 ", "a-b-c-d-e-f-g-h-i-j-kmnpq23456"};
    static const char *const others[] = {"", "abcde", "abcde-fghij-kmnpq-2345",
        "abcde-fghij-kmnpq-234567", "abcde-fghij-kmnpq-23450", "abcde-fghij-kmnpq-2345l",
        "abcde_fghij_kmnpq_23456", "abcde-fghij-kmnpq-2345\xc3\xa4", "abcde-fghij-kmnpq-2345\n"};
    uint8_t expected[RECOVERY_HASH_SIZE];
    uint8_t hash[RECOVERY_HASH_SIZE];
    uint8_t text[64];
    struct uuid other = ann;

    /* The definition: label and its NUL, account, code. */
    memcpy(text, "pets-api recovery code", 23);
    memcpy(text + 23, ann.bytes, 16);
    memcpy(text + 39, "abcdefghijkmnpq23456", 20);
    EVP_Digest(text, 59, expected, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < countof(same); i++) {
        ck_assert_int_eq(recovery_hash(&ann, same[i], strlen(same[i]), hash), 0);
        ck_assert_mem_eq(hash, expected, sizeof hash);
    }
    for (size_t i = 0; i < countof(others); i++)
        ck_assert_msg(
            recovery_hash(&ann, others[i], strlen(others[i]), hash) == -1, "%s", others[i]);
    ck_assert_int_eq(recovery_hash(&ann, "abcde-fghij-kmnpq-2345\0", 23, hash), -1);
    other.bytes[15]++;
    ck_assert_int_eq(recovery_hash(&other, same[0], strlen(same[0]), hash), 0);
    ck_assert_mem_ne(hash, expected, sizeof hash);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("seal");
    Suite *suite = suite_create("auth_seal");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, files);
    tcase_add_test(tests, closes_and_opens);
    tcase_add_test(tests, definition);
    tcase_add_test(tests, every_bit_counts);
    tcase_add_test(tests, keys);
    tcase_add_test(tests, recovery_codes);
    tcase_add_test(tests, recovery_hashes);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
