/*
 * auth_bookmark.c: cursors: good where they were made, with either key, and in no other way: not in
 * another context, not with a bit changed anywhere, not cut, not longer. The definition is that of
 * RFC 5297.
 */
#include <openssl/evp.h>

#include "auth/base64url.h"
#include "auth/bookmark.h"
#include "place.h"

#include <check.h>
#include <sys/stat.h>

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(4096);
}

static void tear_down(void)
{
    arena_free(arena);
}

static struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

static struct bookmark *make(const char *current, const char *previous)
{
    struct server_key keys[2];

    EVP_Digest(current, strlen(current), keys[0].bytes, NULL, EVP_sha256(), NULL);
    if (previous != NULL)
        EVP_Digest(previous, strlen(previous), keys[1].bytes, NULL, EVP_sha256(), NULL);
    return bookmark_new(&keys[0], previous == NULL ? NULL : &keys[1]);
}

static const char *seal(struct bookmark *bookmark, const char *context, const char *position)
{
    struct text where = text_of(context), what = text_of(position);
    char *text = bookmark_make(bookmark, arena, &where, &what);

    ck_assert_ptr_nonnull(text);
    return text;
}

/* The position, or NULL. */
static const char *opened(struct bookmark *bookmark, const char *context, const char *cursor)
{
    struct text where = text_of(context), text = text_of(cursor), position = {NULL, 0};

    if (!bookmark_open(bookmark, arena, &where, &text, &position))
        return NULL;
    return arena_copy(arena, position.bytes, position.length);
}

static const char *const positions[] = {"x", "0123456789abcdef",
    "0123456789abcdef and a long name, as long as names may be, which is eighty characters",
    "\xc3\xa4\xf0\x9f\x90\xb6"};

START_TEST(opens_what_it_made)
{
    struct bookmark *bookmark = make("key", NULL);
    const char *text = seal(bookmark, "ann /v1/pets", positions[_i]);
    const char *again = seal(bookmark, "ann /v1/pets", positions[_i]);
    size_t length = strlen(positions[_i]);

    ck_assert_uint_eq(strlen(text), BASE64URL_LENGTH(16 + length));
    ck_assert_str_eq(opened(bookmark, "ann /v1/pets", text), positions[_i]);
    ck_assert_str_eq(text, again);
    ck_assert_str_ne(seal(bookmark, "bob /v1/pets", positions[_i]), text);
    bookmark_free(bookmark);
}
END_TEST

/* RFC 5297, appendix A.1. */
START_TEST(definition)
{
    static const struct server_key key = {
        "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0"
        "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff",
        ""};
    static const uint8_t expected[] = "\x85\x63\x2d\x07\xc6\xe8\xf3\x7f\x95\x0a\xcd\x32\x0a\x2e"
                                      "\xcc\x93\x40\xc0\x2b\x96\x90\xc4\xdc\x04\xda\xef\x7f\x6a"
                                      "\xfe\x5c";
    struct bookmark *bookmark = bookmark_new(&key, NULL);
    const char *text = seal(bookmark,
        "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
        "\x20\x21\x22\x23\x24\x25\x26\x27",
        "\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee");
    uint8_t bytes[64];

    ck_assert_int_eq(
        base64url_decode(text, strlen(text), bytes, sizeof bytes), sizeof expected - 1);
    ck_assert_mem_eq(bytes, expected, sizeof expected - 1);
    bookmark_free(bookmark);
}
END_TEST

START_TEST(seals_something)
{
    struct bookmark *bookmark = make("key", NULL);

    ck_assert_ptr_null(
        bookmark_make(bookmark, arena, &(struct text){"c", 1}, &(struct text){"", 0}));
    bookmark_free(bookmark);
}
END_TEST

/* What is inside does not show. */
START_TEST(hides)
{
    struct bookmark *bookmark = make("key", NULL);
    const char *text = seal(bookmark, "c", "Rex Rex Rex Rex Rex Rex");
    uint8_t bytes[128];
    ssize_t size = base64url_decode(text, strlen(text), bytes, sizeof bytes);

    ck_assert_int_eq(size, 16 + 23);
    ck_assert_ptr_null(memmem(bytes, (size_t)size, "Rex", 3));
    bookmark_free(bookmark);
}
END_TEST

START_TEST(is_good_in_its_context_alone)
{
    static const char *const others[] = {
        "", "ann /v1/pet", "ann /v1/pets ", "bob /v1/pets", "ann /v1/petS"};
    struct bookmark *bookmark = make("key", NULL);
    const char *text = seal(bookmark, "ann /v1/pets", "position");

    for (size_t i = 0; i < countof(others); i++)
        ck_assert_ptr_null(opened(bookmark, others[i], text));
    ck_assert_str_eq(opened(bookmark, "ann /v1/pets", text), "position");
    bookmark_free(bookmark);
}
END_TEST

/* Every bit of tag and position. */
START_TEST(notices_every_change)
{
    struct bookmark *bookmark = make("key", NULL);
    const char *text = seal(bookmark, "c", "position");
    uint8_t bytes[64];
    ssize_t size = base64url_decode(text, strlen(text), bytes, sizeof bytes);
    char changed[128];

    ck_assert_int_eq(size, 24);
    for (int bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        base64url_encode(bytes, (size_t)size, changed);
        ck_assert_ptr_null(opened(bookmark, "c", changed));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (ssize_t length = 0; length < size; length++) {
        base64url_encode(bytes, (size_t)length, changed);
        ck_assert_ptr_null(opened(bookmark, "c", changed));
    }
    bytes[size] = 0;
    base64url_encode(bytes, (size_t)size + 1, changed);
    ck_assert_ptr_null(opened(bookmark, "c", changed));
    ck_assert_str_eq(opened(bookmark, "c", text), "position");
    bookmark_free(bookmark);
}
END_TEST

START_TEST(refuses_what_is_no_text_of_its_own)
{
    static const char *const texts[] = {"", "x", "!", "u019b0000000070008000000000000000", "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "AAAA AAAA"};
    struct bookmark *bookmark = make("key", "other");

    ck_assert_ptr_null(opened(bookmark, "c", texts[_i]));
    bookmark_free(bookmark);
}
END_TEST

/* A change of the key, step by step: nothing that was given out is refused on the way. */
START_TEST(keys_change)
{
    struct bookmark *old = make("old", NULL), *both = make("old", "new");
    struct bookmark *swapped = make("new", "old"), *new = make("new", NULL);
    const char *by_old = seal(old, "c", "1"), *by_both = seal(both, "c", "2");
    const char *by_swapped = seal(swapped, "c", "3"), *by_new = seal(new, "c", "4");

    ck_assert_str_eq(opened(both, "c", by_old), "1");
    ck_assert_str_eq(opened(old, "c", by_both), "2");
    ck_assert_str_eq(opened(swapped, "c", by_both), "2");
    ck_assert_str_eq(opened(both, "c", by_swapped), "3");
    ck_assert_str_eq(opened(new, "c", by_swapped), "3");
    ck_assert_str_eq(opened(swapped, "c", by_new), "4");
    ck_assert_ptr_null(opened(new, "c", by_old));
    ck_assert_ptr_null(opened(old, "c", by_new));
    bookmark_free(old);
    bookmark_free(both);
    bookmark_free(swapped);
    bookmark_free(new);
}
END_TEST

START_TEST(reads_files)
{
    char path[64], error[256] = "";
    struct bookmark *bookmark;
    FILE *file;
    int fd;

    place(path, sizeof path, "auth_bookmark");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    file = fdopen(fd, "w");
    fputs("a line of thirty-two characters.\n", file);
    fclose(file);
    ck_assert_ptr_null(bookmark_read(path, "", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "spaces"));
    file = fopen(path, "w");
    fputs("a-line-of-thirty-two-characters.\n", file);
    fclose(file);
    bookmark = bookmark_read(path, "", error, sizeof error);
    ck_assert_msg(bookmark != NULL, "%s", error);
    ck_assert_str_eq(opened(bookmark, "c", seal(bookmark, "c", "position")), "position");
    bookmark_free(bookmark);
    ck_assert_ptr_null(bookmark_read(path, "/nonexistent/key", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "/nonexistent/key"));
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_ptr_null(bookmark_read(path, "", error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, path));
    unlink(path);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("bookmarks");
    Suite *suite = suite_create("auth_bookmark");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, opens_what_it_made, 0, countof(positions));
    tcase_add_test(tests, definition);
    tcase_add_test(tests, seals_something);
    tcase_add_test(tests, hides);
    tcase_add_test(tests, is_good_in_its_context_alone);
    tcase_add_test(tests, notices_every_change);
    tcase_add_loop_test(tests, refuses_what_is_no_text_of_its_own, 0, 9);
    tcase_add_test(tests, keys_change);
    tcase_add_test(tests, reads_files);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
